"""The eleven steps, each from a case to one result: `content` (0 to 2), `proof` (3 to 5), `status` (6 and 7),
`holder` (8), `parts` (9) and `meaning` (10).
"""

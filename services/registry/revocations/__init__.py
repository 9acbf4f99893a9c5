"""Revoking many credentials at once, and the rule that beyond ten an hour a second person confirms.

Read in this order: `domain` (an operation, and who may confirm it), `commands`, `repository`, `handlers`, `api`, `restored`
(what its own log did, after an older backup). How the ten are counted: `shared.two_persons`.
"""

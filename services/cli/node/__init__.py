"""Commands of whoever runs a node: `serving`, `doctor`, `keys`, `tokens`, `events`, `dead_letters`, and `migrate`,
whose work with two stores is in `migration`.
"""

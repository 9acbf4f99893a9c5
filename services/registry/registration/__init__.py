"""Registering what this node's own issuer signed, or keeping why not: `handlers`.

It stands above the rooms that it asks: `trust` (may the institution award that by this key?), `credentials` (the register
and the status lists) and `revocations` (a correction ends what it replaces).
"""

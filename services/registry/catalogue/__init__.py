"""Offers of micro-credentials, this nation's and all others'.

Read in this order: `domain` (what is listed, and what one may look for), `commands`, `repository`, `index` (all offers in
memory, for searching), `handlers`, `api`.
"""

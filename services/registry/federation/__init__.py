"""What other nodes read here: the log, the signed list of members, and this node's certificates.

Read in this order: `domain` (what may be asked), `repository`, `handlers` (long polling), `api`.
"""

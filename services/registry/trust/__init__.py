"""Whom this nation vouches for: institutions, what they are accredited for, and the keys they sign with.

Read in this order: `domain` (accreditations and keys, and what they cover), `commands`, `repository`, `cutoffs` (keys whose
credentials are revoked all at once), `handlers`, `api`, `restored` (what its own log did, after an older backup),
`service_keys` (the node's own keys, announced and retired).
"""

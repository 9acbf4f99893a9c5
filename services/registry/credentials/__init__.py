"""Registered credentials: the register, the status lists' rows, and suspending, reinstating and revoking one credential.

Read in this order: `domain` (what may become of a credential), `commands`, `repository`, `status_lists` (which there are),
`allowance` (what one person may revoke alone), `handlers`, `api`, `restored` (what its own log did, after an older backup).
"""

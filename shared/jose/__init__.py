"""The one gate for every signed byte: what a token must look like, whose key made it, and how we sign our own.

Read in this order: `strict_json` (the only JSON we believe), `purpose` (which kind of key may sign which kind of
token), `refusals` (why a token or key is turned away), `token` (the three parts, read within limits and not yet
believed), `algorithms` (the five signatures we know), `keys` (public keys and their sets, with `rsa_keys` for what an
RSA key must be like), `gate` (read, look up the key, verify), `signers` (private keys in memory, and signing),
`own_certificate` (one that a key makes of itself, for formats that carry one), `sd_jwt` (credentials of which a
holder shows parts). Nothing outside this folder decodes or verifies a signed token, and nothing in it reads a clock.
"""

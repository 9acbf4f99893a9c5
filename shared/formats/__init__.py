"""How a micro-credential is written down, and read back; a format never verifies, the gate does.

1. `port`        what every format does, and what one issuance adds to a credential
2. `vc_jwt`      the W3C Verifiable Credential that we issue
3. `sd_jwt_vc`   the same with selective disclosure; `holder` is what its holder does with it
4. `open_badge`  an Open Badge 3.0 for badge backpacks
5. `registry`    the formats by name; which one some bytes are in
6. `elm`         documents of the European Learning Model, unsigned; `europass` reads a sealed one
"""

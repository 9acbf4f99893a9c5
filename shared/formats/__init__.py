"""How a micro-credential is written down, and read back; a format never verifies, the gate does.

Read `port.py` (what every format does, and what one issuance adds to a credential), `vc_jwt.py` (the W3C Verifiable
Credential that we issue), then `elm.py` (an unsigned European Learning Model document as a draft; `linked_data.py` walks
its JSON-LD).
"""

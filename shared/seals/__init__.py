"""Seals that others make: eIDAS seals on Europass files (ETSI TS 119 182-1, JAdES). Nothing of our own is signed
here.

1. `jades`         a seal as such a file carries it, read within limits and verified by the certificate in it
2. `certificate`   what that certificate says of who sealed, and whether one certificate issued another
3. `timestamps`    RFC 3161 timestamp tokens, as far as a file alone allows
4. `trusted_list`  a European trusted list, and whether it vouches for a certificate
5. `specimen`      seals for demonstrations, by an authority made on the spot
"""

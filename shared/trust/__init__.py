"""Who may say what. Everything here is pure. Read in this order:

1. `federation`     the signed list of nodes: their offline root keys, jurisdictions, addresses, standing
2. `certificates`   what a node's root says of its service keys
3. `node_token`     how one node shows another who it is
4. `scope`          what an accreditation covers, and in which words it is refused
5. `accreditation`  which institution was accredited for what, and held which key, as of a place in the trust log
"""

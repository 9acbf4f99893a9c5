"""Who may say what. Everything here is pure. Read in this order:

1. `nodes`            what a federation list says: the anchors, the nodes, and how a node joins, rests and leaves
2. `federation_list`  the list as the anchors sign it; `pinned` says whom a reader lets sign it
3. `certificates`     what a node's root says of its service keys
4. `node_token`       how one node shows another who it is
5. `scope`            what an accreditation covers, and in which words it is refused
6. `accreditation`    which institution was accredited for what, and held which key, as of a place in the trust log
7. `identifiers`      whose institution a global identifier names, where nodes do not agree
8. `receipt`          what a node's verifier found of one credential, signed for those who rely on it
"""

"""The door to the federation: the log, the signed list of members, and this node's certificates."""

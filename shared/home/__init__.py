"""A node's folder. Read `folder` (keys, certificates, the federation list), `generations` (a service key's
successors, on disk), `rotation` (making the next one) and `membership` (who belongs to the federation, read again
when its list changes).
"""

"""Offers of this node's institutions, as its registry published them: `repository`, then `handlers`."""

"""Offers of this nation's institutions, as their registry published them: repository, handlers."""

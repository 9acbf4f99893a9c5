"""Revoking many credentials at once, and the rule that beyond ten an hour a second person confirms."""

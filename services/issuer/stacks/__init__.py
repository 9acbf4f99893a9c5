"""Larger credentials, issued from parts: `domain`, `commands`, `handlers`, `api`."""

"""The API of institutions' keys: `commands`, `handlers`, `api`. The keys themselves are in `services.issuer.keys`."""

"""The common language of all services, and the floor they stand on. The layers stand in `pyproject.toml`; from the bottom:
`errors`, `ids`, `clock`, `settings`, `telemetry`, `jose`, `events`, `credential`, `status`, `trust`, `formats`,
`verification`, `store`, `home`, `bus`, `web`.
"""

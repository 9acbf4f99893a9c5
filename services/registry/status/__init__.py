"""The published status lists: derived from the credentials, signed, and made again whenever they are lost.

Read in this order: `domain` (names and bits), `repository` (which bits are set), `handlers` (signing), `api`. Which lists
there are is kept by `services.registry.credentials.status_lists`, for each change of a credential marks its list.
"""

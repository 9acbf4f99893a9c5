"""The published status lists: derived from the credentials, signed, and made again whenever they are lost."""

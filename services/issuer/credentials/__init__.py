"""Single credentials: domain, commands, sealing, repository, vault, drafting, handlers, api."""

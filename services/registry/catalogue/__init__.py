"""Offers of micro-credentials, this nation's and all others': domain, commands, repository, index, handlers, api."""

"""A store that was set back to a backup (protocol, section 3, Recovery; ADR 17). Read `continuity` (does this store
know all of the chains that it goes on writing?), `holders` (who else holds what of them), then `recovery` (pulling
back what is missing and doing again what it did), which gets it a page at a time by `own_entries`.
"""

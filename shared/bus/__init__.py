"""How events travel, from a request to a foreign effect. Read in the order in which one goes: `port` (what a bus promises),
`outbox`, `sequencer`, `log`, `relay`, then abroad `follow`, `listener`, `admission`, `inbox`, `ordering`, `freshness`,
`dead`. `engine` opens it all; `keyring` and `membership` say whom to believe; `lease` keeps a second writer out.
"""

"""Hearing something: from records on the bus to effects, each exactly once (protocol, section 3, T4). Read it as one
comes in:

1. `listener`      carries records from the bus, in the order of what matters most; `holes` says what stays missing
2. `admission`     what may be let in of a record, before anything is stored
3. `inbox`         one transaction for a batch: facts, effects and position
4. `ordering`      where each sound entry goes, and what it may do already; a service is handed it as `received`
5. `freshness`     how fresh the knowledge of a node is; `origin_view` is what a store knows of one node at a moment
6. `dead_letters`  what could not be applied, kept with its reason
"""

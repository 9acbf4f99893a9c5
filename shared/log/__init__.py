"""Saying something: from a transaction to an entry on the bus (protocol, section 3, T1 to T3). Read it as an event
goes:

1. `outbox`        what a transaction emits is stored in the same transaction as what it does
2. `sequencer`     gives each event its place in its chain and signs it, by the key that `signing` chooses; `lease`
                   keeps a second sequencer out
3. `archive`       every entry that this store holds, its own and others', as the bytes that were signed
4. `relay`         publishes entries in sequence and waits for the acknowledgement
5. `checkpointer`  says how far the node's chains have come

`keyring` says whose signature counts on a stream; both sides use it, so it stands here, on the lower floor.
"""

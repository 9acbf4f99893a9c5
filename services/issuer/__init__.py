"""The issuer: makes credentials for the institutions of its node, and keeps the learner's part where it can be erased.

It receives its own node's trust stream (who may issue what, by which key), its registrations, its status and its catalogue,
and emits `CredentialIssued` on the issuance stream, which never leaves the node. A credential is drafted outside any
transaction: built, checked, rehearsed with a throwaway key, signed with the institution's. One transaction keeps it,
encrypted under a key of its own.

Promise: nothing half-issued. Either the credential, its place in the status list, the event and the answer are all durable,
or nothing is, and a signature that was made for nothing has left no trace.

Read `settings`, then the rooms from the ground up. A room imports only what was named before it.

1. `offers`       what to issue from; `keys`, what signs; `places` in status lists; `replica`, what the registry emitted
2. `context`      what requests are answered with
3. `credentials`  single ones: drafting, keeping, reading, erasing
4. `cohorts`      many learners from one file; `stacks`, larger credentials from parts
5. `key_api`      the API of institutions' keys
6. `api`          all routes; `consumer`, all events
7. `app`          puts them together

Within a room read domain, commands, repository, handlers, api.
"""

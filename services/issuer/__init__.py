"""The issuer: makes credentials for the institutions of its nation, and keeps the learner's part where it can be erased.

I hear my own node's trust stream (who may issue what, by which key), its registrations, its status and its catalogue. I say
`CredentialIssued` on the issuance stream, which never leaves the node. A credential is drafted outside any transaction:
built, checked, rehearsed with a throwaway key, signed with the institution's. One transaction keeps it, encrypted under a
key of its own.

Promise: nothing half-issued. Either the credential, its place in the status list, the event and the answer are all durable,
or nothing is, and a signature that was made for nothing has left no trace.

One folder a noun, each read in the order domain, commands, repository, handlers, api: `credentials`, `cohorts`, `keys`,
`offers` (what to issue from) and `stacks` (larger credentials, from parts). Beside them the `context` (what requests are
answered with); above them `api`, `consumer`, `settings` and `app`.
"""

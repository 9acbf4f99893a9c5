"""The registry vouches for a nation's credentials and says what became of them.

It hears what its own issuer signed (`CredentialIssued`) and registers what lies within the institution's accreditation. It
says which institutions its nation accredits and by which keys (trust), what it registered (registrations), and what was
revoked, suspended or reinstated (status). It publishes the status lists, and it is where other nodes read: every
entry that it holds, its own and other nodes', is read there.

One folder a noun, each read in the order domain, commands, repository, handlers, api: `trust` (institutions,
accreditations, keys), `credentials`, `revocations` (many credentials at once, and the second person), `status` (published
lists), `catalogue` (offers), `federation` (the log for other nodes). Above them `api`, `consumer`, `settings` and `app`.
"""

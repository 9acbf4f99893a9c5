"""The registry vouches for a nation's credentials and says what became of them.

It receives what its own issuer signed (`CredentialIssued`) and registers what lies within the institution's accreditation.
It tells the federation which institutions its nation accredits and by which keys (stream `trust`), what it registered
(`registrations`), and what was revoked, suspended or reinstated (`status`). It publishes the status lists, and it serves the
log: every entry that it keeps, its own and other nodes', is read here.

One folder a noun, from the lowest: `federation` (the log for other nodes), `credentials` (the register), `trust`
(institutions, accreditations, keys), `status` (published lists), `catalogue` (offers), `revocations` (many credentials at
once, and the second person), `registration` (what an issuance leads to). Each is read in the order domain, commands,
repository, handlers, api. Below them `settings` and `context` (what requests are answered with), above them `api`,
`consumer` and `app`. `lint-imports` holds that order.
"""

"""Commands about credentials: `credentials` (issue, correct, verify, status), `cohorts`, `stacks`, `revocations`,
`erasure`; and what the learner does: `present`, `export`. `drafts` reads a credential's file, `sealed` verifies a
Europass file offline.
"""

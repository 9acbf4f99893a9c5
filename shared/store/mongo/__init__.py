"""The store on MongoDB. Read in this order:

1. `store`        what fulfils the port, and what is opened under it
2. `client`       from a URL to a client that keeps what it acknowledges; `errors` says what went wrong in our words
3. `table`        how a collection lies in the database, and how it is asked
4. `reads`        questions outside a transaction
5. `writer`       group commit: all units of work that wait go into one transaction
6. `group`        one such group: `snapshot` (what it reads), `transaction` (one unit of it), `bulk` (its one write);
                  docs/how-a-group-is-written.md follows one, with an example
7. `idle`         transactions that a killed process left open
"""

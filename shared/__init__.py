"""The common language of all services, and the floor they stand on. From the bottom; the contracts in `pyproject.toml` hold
that what is lower knows nothing of what is higher:

1. `errors`                        the one tree of errors
2. `ids`, `clock`, `version`       names of things; the time; this installation
3. `settings`, `telemetry`         what is set from outside; logs, traces and metrics
4. `jose`, `sqlite`                the one gate for our signed bytes; one SQLite file and its writer
5. `events`, `seals`, `keys`       what crosses a border; other people's seals; where private keys live
   `store`, `tasks`                where documents live; how loops run, wait and end
6. `credential`, `status`, `trust` what a micro-credential is; what became of it; who may say what
7. `formats`                       how a credential is written and read
8. `verification`                  whether one is true
9. `bus`, `home`                   how events travel; a node's folder
10. `log`                          from a transaction to entries on the bus
11. `inbox`                        from records on the bus to effects
12. `federation`                   other nodes over HTTP
13. `recovery`                     a store that was set back to a backup
14. `engine`                       all of these loops under one service
15. `two_persons`                  what one person may end alone, and who may confirm the rest
16. `web`, `client`                the HTTP floor; the small client of a node
"""

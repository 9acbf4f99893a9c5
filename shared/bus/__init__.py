"""How events travel: transport, and nothing else. What is said and what is heard stand in `shared/log` and
`shared/inbox`.

Read `port` (what a bus promises) and `open` (from a URL to a bus), then an adapter: the folder `sqlite` or `kafka`.
For setting a broker up: `admin` (the port), `topics` (what a node's broker holds, and how) and `access` (who may
do what on it).
"""

"""Other nodes over HTTP. Read `log_client` (asking a registry for a page of a log), then who asks: `follower` (a
registry follows its neighbours, and fills holes behind a mirror; `mirror_watch` says when a mirror is overdue) and
`backfill` (the other services get from their own registry what the bus has dropped).
"""

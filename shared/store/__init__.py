"""Where documents live. Read `port` (what a store promises), then `open` (from a URL to a store), then an adapter:
`sqlite`, on `sqlite_table` (its statements), `sqlite_writer` (its group commit) and `sqlite_file` (how a file is opened).
"""

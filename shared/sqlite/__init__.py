"""What the store and the bus on SQLite both stand on. Read `file` (how one file is opened, and refused where it is not
ours), then `group_commit` (the one thread that writes it, with one sync of the disk for all that waits).
"""

"""`testamur demo`. Read `command` (what is run), `world` (two nations on this machine), `stage` (what the scenes
share), `story` (the scenes), then `further` scenes and the `forgeries` in them.
"""

"""The command line: everything a person or a script does with a node, one file per group of commands.

Read in this order: app.py (the groups, how errors become one line and an exit code), local.py and remote.py (which node
is meant, and by which token), output.py, then the groups: credentials.py, revocations.py, institutions.py,
federations.py, serving.py, tokens.py, events.py, dead.py, doctor.py; and the demo: demo.py, demo_world.py,
demo_story.py, demo_forgeries.py.

A command that talks to a node uses the same HTTP doors as everybody else; nothing here opens a node's store.
"""

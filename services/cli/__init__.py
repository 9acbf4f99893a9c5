"""The command line: everything a person or a script does with a node, a folder for each group of commands.

Read `app` (errors become one line and an exit code: `exit_codes`), `command_table` (which module holds which
command), `local` and `remote` (which node is meant, and by which token), `output` and `datetimes` (what a person sees
and writes). Then the folders: `credential`, `registry`, `federation`, `node`, `broker` and `demo`.

A command that talks to a node uses the same API as everybody else; nothing but `migrate` opens a node's store.
"""

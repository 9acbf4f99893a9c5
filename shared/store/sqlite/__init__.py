"""The store on SQLite: `store` fulfils the port; `table` is how a collection lies in the file, and every statement on
it.
"""

"""Single credentials.

1. `domain`      a draft that is ready to be issued, and why one is refused; `commands`, what is asked and answered
2. `encryption`  each credential under a key of its own
3. `repository`  how they are stored; `vault`, how an answer that holds one is stored
4. `drafting`    from a command to a signed draft
5. `handlers`    one function for each command; `restored`, what is done again after a backup
6. `api`         the routes
"""

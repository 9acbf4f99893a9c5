"""The bus on SQLite: `bus` fulfils the port, `log` is the file with its topics, `segments` is how records lie in it."""

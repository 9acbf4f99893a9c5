"""Where private keys live: `file` is a folder with one encrypted file a key, for development and small nodes."""

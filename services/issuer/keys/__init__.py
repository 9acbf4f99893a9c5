"""The keys that institutions sign with, as the issuer holds them: `files`, then commands, handlers, api."""

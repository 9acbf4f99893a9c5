"""The four services, the node that runs them in one process, and the command line. Services never import each other:
what one has to tell another goes over the bus.

1. `issuer`    makes credentials for the institutions of its nation
2. `registry`  vouches for them, and says what became of them
3. `verifier`  answers whether a credential is true
4. `notifier`  tells subscribers what became of credentials
5. `node`      all four in one process
6. `cli`       the command line
"""

"""What crosses a border. Read in this order:

1. `base`           what an event is, and which streams there are
2. `trust`          whom a node vouches for; `registrations`, `status` (what it knows of credentials), `offers`
   `issuance`       what an issuer tells its own registry; `checkpoints`, how far a node's chains have come
3. `entry`          how an event is signed; `chain`, where an entry stands among the others
4. `asyncapi`       all of it, rendered for others
"""

from shared.events import checkpoints, issuance, offers, registrations, status, trust  # noqa: F401  (each fills the catalogue)

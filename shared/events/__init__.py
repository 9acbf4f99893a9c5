"""What crosses a border. Read `base` (what an event is), the modules named after the streams (what is said), then `entry`
(how it is signed and chained) and `chain` (where an entry stands). `asyncapi` renders it all for others.
"""

from shared.events import checkpoints, issuance, offers, registrations, status, trust  # noqa: F401  (each fills the catalogue)

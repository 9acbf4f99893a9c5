"""The HTTP API, noun by noun: command in, view out, no logic."""

from __future__ import annotations

from services.issuer.cohorts.api import routes as cohorts
from services.issuer.credentials.api import routes as credentials
from services.issuer.key_api.api import routes as keys
from services.issuer.stacks.api import routes as stacks

ROUTERS = (stacks, credentials, cohorts, keys)
"""Every route of the issuer, in the order of the API documents."""

TAGS = (
    {"name": "credentials", "description": "Issuing and correcting micro-credentials, and those that were issued here."},
    {"name": "cohorts", "description": "Many learners of one course, from one file, as one job."},
    {"name": "stacks", "description": "Larger credentials, issued from parts of several institutions and countries."},
    {"name": "keys", "description": "The keys that institutions sign with."},
)

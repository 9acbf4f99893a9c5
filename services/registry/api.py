"""The HTTP API, noun by noun: command in, view out, no logic."""

from __future__ import annotations

from services.registry.catalogue.api import routes as catalogue
from services.registry.credentials.api import routes as credentials
from services.registry.federation.api import routes as federation
from services.registry.revocations.api import routes as revocations
from services.registry.status.api import routes as status
from services.registry.trust.api import routes as institutions

ROUTERS = (institutions, credentials, revocations, status, catalogue, federation)
"""Every route of the registry, in the order of the API documents."""

TAGS = (
    {"name": "institutions", "description": "Whom this nation vouches for, for what, and by which keys."},
    {"name": "credentials", "description": "What became of a credential: suspend, reinstate, revoke."},
    {"name": "revocations", "description": "Many credentials at once, with a second person."},
    {"name": "status", "description": "Signed status lists, for everybody."},
    {"name": "catalogue", "description": "What is offered in all the federation: search it, publish to it."},
    {"name": "federation", "description": "For other nodes: the log, the list of members, the certificates."},
)

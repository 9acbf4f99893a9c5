"""What a token may allow: the scopes, and the roles that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "credentials:issue": "Issue credentials for one's institution.",
        "credentials:read": "Read one's institution's credentials.",
        "credentials:revoke": "Revoke credentials.",
        "credentials:suspend": "Suspend and reinstate credentials.",
        "credentials:correct": "Replace a credential by a corrected one.",
        "credentials:erase": "Erase what a credential says of its learner, for good.",
        "offers:publish": "Publish one's institution's offers, and withdraw them.",
        "institutions:accredit": "Accredit institutions and withdraw accreditations.",
        "institutions:read": "Read institutions, their accreditations and keys.",
        "verify": "Verify credentials.",
        "subscriptions:manage": "Subscribe to changes and manage one's subscriptions.",
        "operate": "Look after the node: dead letters, replays, federation.",
    }
)
"""Every scope and what it allows; a route asks for one of them (RFC 6749, 3.3)."""

FOR_NO_INSTITUTION: Final = frozenset({"institutions:read", "verify", "subscriptions:manage", "operate"})
"""Scopes that say nothing in an institution's name; every other one needs a token that says for whom it acts."""

ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "issuer": frozenset(
            {"credentials:issue", "credentials:read", "credentials:correct", "offers:publish", "institutions:read"}
        ),
        "registrar": frozenset(
            {
                "credentials:read",
                "credentials:revoke",
                "credentials:suspend",
                "credentials:correct",
                "credentials:erase",
                "offers:publish",
                "institutions:accredit",
                "institutions:read",
            }
        ),
        "verifier": frozenset({"verify", "institutions:read"}),
        "subscriber": frozenset({"subscriptions:manage", "verify"}),
        "operator": frozenset(SCOPES),
    }
)
"""Roles as `testamur token --role` knows them; an outside authorisation server composes scopes as it likes."""

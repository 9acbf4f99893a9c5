"""The bus door: what the registry hears, and who deals with it.

It hears its own issuer. Other nodes' public streams reach its archive without a handler of their own, so that `/log` serves
every origin's entries.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.registry.credentials.handlers import on_credential_issued
from shared.bus.inbox import Handler
from shared.events.base import ISSUANCE, Event
from shared.events.issuance import CredentialIssued

SUBSCRIPTIONS: Mapping[type[Event], Handler] = {CredentialIssued: on_credential_issued}

STREAMS = (ISSUANCE.name,)
"""This node's own streams that it listens to."""

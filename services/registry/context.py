"""What requests are answered with, made once in the lifespan.

The rooms of the registry know only what lies below them. What one of them needs of a higher one is handed in here:
`withdraw_uncovered` is the catalogue's, and trust calls it. What a room keeps in memory for its own
routes stands beside this context in the app's state (`status_lists`, `offers`), where the room's `api` reads it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request

from services.registry.settings import RegistrySettings
from shared.engine.engine import Engine
from shared.home.membership import Membership
from shared.log.outbox import Unit
from shared.store.port import Store
from shared.web.request_transaction import RequestTransactions

WithdrawUncovered = Callable[[Unit, str, str], Awaitable[None]]
"""Withdraws the offers of an institution for which it is accredited no longer: the unit of work, this node, its slug."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryContext:
    """The engine, the transactions of requests, the settings, and what is handed down from a higher room."""

    engine: Engine
    transactions: RequestTransactions
    settings: RegistrySettings
    withdraw_uncovered: WithdrawUncovered

    @staticmethod
    def of(request: Request) -> RegistryContext:
        """The context of the app that answers this request."""
        context: RegistryContext = request.app.state.context
        return context

    @property
    def store(self) -> Store:
        """The registry's own store."""
        return self.engine.store

    @property
    def membership(self) -> Membership:
        """This node in its federation."""
        return self.engine.membership

    @property
    def node(self) -> str:
        """The name of this node."""
        return self.engine.membership.me

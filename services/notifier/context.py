"""What the routes work with, made once in the lifespan."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from services.notifier.settings import NotifierSettings
from shared.store.port import Store
from shared.web.door import Door
from shared.web.outgoing.fetch import Fetcher


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """The door for changes, the store for reading, the way out for checking addresses, and the knobs."""

    door: Door
    store: Store
    fetcher: Fetcher
    settings: NotifierSettings

    @staticmethod
    def of(request: Request) -> NotifierContext:
        """The context of the app that answers this request."""
        context: NotifierContext = request.app.state.context
        return context

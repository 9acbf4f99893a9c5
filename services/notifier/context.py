"""What requests are answered with, made once in the lifespan."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from services.notifier.settings import NotifierSettings
from shared.store.port import Store
from shared.web.outgoing.fetch import Fetcher
from shared.web.request_transaction import RequestTransactions


@dataclass(frozen=True, slots=True)
class NotifierContext:
    """The transactions of requests, the store for reading, the way out for checking addresses, and the knobs."""

    transactions: RequestTransactions
    store: Store
    fetcher: Fetcher
    settings: NotifierSettings

    @staticmethod
    def of(request: Request) -> NotifierContext:
        """The context of the app that answers this request."""
        context: NotifierContext = request.app.state.context
        return context

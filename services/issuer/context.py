"""What requests are answered with, outside any transaction: keys, the trust book, the status list in use.

The book is a copy of what the store holds. A draft notes the version that it relied on, and the transaction that keeps the
draft compares it with the store's. So no process uses an accreditation after its withdrawal has arrived.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from fastapi import Request

from services.issuer.keys.files import InstitutionKeys, Throwaway
from services.issuer.places import repository as places
from services.issuer.places.domain import StatusList, StatusPlace
from services.issuer.replica import repository as replica
from services.issuer.settings import IssuerSettings
from shared.clock import Clock
from shared.errors import NotFound
from shared.home.folder import Home
from shared.home.membership import Membership
from shared.jose.signers import LocalSigner
from shared.store.port import Store
from shared.trust.accreditation import TrustBook
from shared.trust.scope import RequiredScope
from shared.web.request_transaction import RequestTransactions


class InstitutionUnknown(NotFound):
    """404: not accredited here, or not the caller's."""

    title = "There is no such institution here."


class IssuerContext:
    """What the requests of one issuer are answered with. Call `open` before the first draft."""

    def __init__(
        self,
        *,
        store: Store,
        transactions: RequestTransactions,
        home: Home,
        settings: IssuerSettings,
        clock: Clock,
        membership: Membership,
    ) -> None:
        self.store = store
        self.transactions = transactions
        self.home = home
        self.settings = settings
        self.node = settings.node
        self.clock = clock
        self.membership = membership
        self.policy = settings.policy
        self.institutions = InstitutionKeys(home)
        self.throwaway = Throwaway()
        self.reading = asyncio.Semaphore(1)
        """Held while a cohort's file is read: it and what it unpacks to are in memory once at a time."""
        self.accepted = asyncio.Event()
        """Set when a cohort was accepted or cancelled; the worker waits for it."""
        self.book = TrustBook()
        self.trust_version = 0
        self._list = StatusList("1", settings.status_list_entries)

    @staticmethod
    def of(request: Request) -> IssuerContext:
        """The context of the app that answers this request."""
        context: IssuerContext = request.app.state.context
        return context

    async def open(self) -> None:
        """Read what the store holds."""
        await self.refresh_trust()
        await self.refresh_places()

    async def refresh_trust(self) -> bool:
        """Read the trust facts again where any came in; returns whether the book is another now."""
        version = await replica.trust_version(self.store, self.node)
        if version == self.trust_version:
            return False
        # the version is read first: a fact that comes in between is in the book early, and read once more later
        self.book = TrustBook(await replica.trust_facts(self.store, self.node))
        self.trust_version = version
        return True

    async def refresh_places(self) -> None:
        """Read which places of the status list in use are taken; a new list begins where it is half full."""
        self._list.taken |= await places.taken_places(self.store, self._list.name)
        while self._list.full:
            self._list = self._list.next()
            self._list.taken = await places.taken_places(self.store, self._list.name)

    async def place(self) -> StatusPlace:
        """A free place in the status list in use, drawn at random."""
        if self._list.full:
            await self.refresh_places()
        return self._list.draw()

    async def signer(self, institution: str) -> LocalSigner | None:
        """The newest key that the institution may sign with now, or None."""
        return await self.institutions.newest(institution, lambda kid: self._signs(institution, kid))

    async def new_key(self, institution: str) -> LocalSigner:
        """A key of the institution that the registry has not announced yet; made where there is none."""
        await self.refresh_trust()
        return await self.institutions.make(institution, lambda kid: self.book.key(institution, kid) is not None)

    def is_known(self, institution: str, wanted: RequiredScope, now: datetime) -> bool:
        """Whether the node has ever accredited the institution, for anything."""
        return self.book.decide(institution, wanted, None, now).reason != "not-accredited"

    def _signs(self, institution: str, kid: str) -> bool:
        key = self.book.key(institution, kid)
        return key is not None and key.retired is None


def require_institution(institution: str, tenant: str | None) -> None:
    """Raise `InstitutionUnknown` where the caller acts for another institution: the answer is the same as for one that was
    never accredited.
    """
    if tenant not in (None, institution):
        raise InstitutionUnknown("Have the registry accredit it first, or use a token of the institution that is meant.")

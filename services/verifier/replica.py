"""What is known here of one origin, gathered in one reading of this node's own store.

- How far and how fresh the knowledge is, is read before anything else: what arrives meanwhile makes it better than we say,
  and freshness is never claimed for facts that were not read.
- The inbox makes a new `OriginView` whenever anything of an origin was taken in. As long as it is the same object, the book
  in memory is the book in the store, and a question costs one scan: the facts that name the credential.
- Whether another node claims the same identifier is looked up in the books of all nodes; a book is read again when the
  trust log of its node has come further. Until then a claim that ended there may still count, which is the cautious side.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from services.verifier.domain import Book
from services.verifier.repository import facts_of, read_book, revision_of
from shared.events.registrations import CredentialRegistered
from shared.home.membership import Membership
from shared.ids import parse_institution
from shared.inbox.dead_letters import PARKED
from shared.inbox.freshness import PROVEN_KEPT, age_of, proven_by
from shared.inbox.inbox import Inbox, OriginView
from shared.store.port import Reader
from shared.trust.accreditation import TrustBook
from shared.trust.identifiers import Contest, Decided, NodeBook, contest
from shared.trust.nodes import Node
from shared.verification.context import UNKNOWN_ORIGIN, Knowledge, PartKnowledge
from shared.verification.presented import Presented


class Then(NamedTuple):
    """By the knowledge of which moment a question is to be answered. An older proof than `within` seconds is of no use."""

    moment: datetime
    within: float


class _InMemory(NamedTuple):
    """What is in memory of an origin, and the view it belongs to. `parked`: something of it is parked."""

    view: OriginView
    book: Book
    parked: bool


class Replica:
    """This node's knowledge of all origins, its own included."""

    def __init__(self, store: Reader, inbox: Inbox, membership: Membership, decided: Decided) -> None:
        self._store = store
        self._inbox = inbox
        self._membership = membership
        self._decided = decided
        self._memory: dict[str, _InMemory] = {}

    async def knowledge(self, presented: Presented, now: datetime, then: Then | None = None) -> Knowledge:
        """What is known of the origin that a credential names, and of that credential; how fresh that is, or was `then`."""
        credential, list_state = presented.credential, self._membership.list_state(now)
        node = self._membership.node(credential.institution.node) if credential else None
        if credential is None or node is None:
            return replace(UNKNOWN_ORIGIN, list_state=list_state)
        origin, kid = node.name, presented.kid or ""
        view = self._inbox.origin(origin)
        known = await self._in_memory(origin, view)
        subjects = (credential.ref, credential.institution.slug, kid)
        return Knowledge(
            node=node,
            list_state=list_state,
            trust=known.book.trust if known.book.revision else None,
            facts=await facts_of(self._store, origin, credential.ref),
            cutoffs=known.book.cutoffs.get(kid, ()),
            parked=known.parked and await self._inbox.is_parked(origin, *subjects),
            contradictory=view.contradictory,
            epoch=view.positions["registrations"].epoch if "registrations" in view.positions else 1,
            seq=view.seq("registrations"),
            status_seq=view.seq("status"),
            trust_seq=view.seq("trust"),
            age=await self._age(origin, view, now, then),
            contest=await self._contest(node, known.book, credential.institution.slug, now),
        )

    async def parts(
        self, presented: Presented, now: datetime, then: Then | None = None
    ) -> dict[tuple[str, str], PartKnowledge]:
        """What is known of each part of a credential whose node is in the federation list, by the part's issuer and id."""
        credential = presented.credential
        found = {}
        for part in credential.award.parts if credential else ():
            named = parse_institution(part.issuer)
            node = self._membership.node(named.node) if named and named.federation == self._membership.federation else None
            if named and node:
                found[part.issuer, part.id] = await self._part(node, named.slug, part.ref, now, then)
        return found

    async def _part(self, node: Node, institution: str, ref: str, now: datetime, then: Then | None) -> PartKnowledge:
        origin, view = node.name, self._inbox.origin(node.name)
        held = await self._in_memory(origin, view)
        facts = await facts_of(self._store, origin, ref)
        signed_by = {fact.event.kid for fact in facts if isinstance(fact.event, CredentialRegistered)}
        cutoffs = tuple(cutoff for kid in signed_by for cutoff in held.book.cutoffs.get(kid, ()))
        parked = held.parked and await self._inbox.is_parked(origin, ref, institution, *signed_by)
        usable = node.status == "active" and not view.contradictory and not parked
        age = await self._age(origin, view, now, then) if usable else None
        return PartKnowledge(facts=facts, cutoffs=cutoffs, age=age)

    async def _age(self, origin: str, view: OriginView, now: datetime, then: Then | None) -> float | None:
        """How old the newest proof is now, or was then, as far as that is kept."""
        if then is None:
            return age_of(view.checkpoint_time, now)
        within = timedelta(seconds=min(then.within, PROVEN_KEPT.total_seconds()))
        return age_of(await proven_by(self._store, origin, then.moment, within), then.moment)

    async def _contest(self, node: Node, book: Book, institution: str, now: datetime) -> Contest | None:
        if not book.trust.identifiers(institution):
            return None
        others = [one for one in self._membership.list.nodes if one.name != node.name and one.status == "active"]
        nodes = [NodeBook(other, await self._trust(other.name)) for other in others]
        return contest(NodeBook(node, book.trust), institution, nodes, self._decided, now)

    async def _trust(self, origin: str) -> TrustBook:
        held, view = self._memory.get(origin), self._inbox.origin(origin)
        if held is None or held.view.position("trust") != view.position("trust"):
            held = await self._in_memory(origin, view)
        return held.book.trust

    async def _in_memory(self, origin: str, view: OriginView) -> _InMemory:
        """What belongs to this view, out of memory or read anew; an unchanged book is not read again."""
        held = self._memory.get(origin)
        if held is not None and held.view is view:
            return held
        parked = bool(await self._store.count(PARKED, {"origin": origin}))
        if held is None or held.book.revision != await revision_of(self._store, origin):
            held = _InMemory(view, await read_book(self._store, origin), parked)
        self._memory[origin] = held = _InMemory(view, held.book, parked)
        return held

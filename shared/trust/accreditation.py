"""The trust book of one origin: which institution was accredited for what, and held which key, as of when by its log.

- A book is a set of facts: their order, lateness and repetition change nothing. So what reduces trust may be entered beyond
  a hole in the log; what adds trust is the caller's to hold back until the hole is filled.
- "As of (epoch, sequence)" counts the facts at or before that position; "as of now" counts all. The place of a withdrawal
  counts, not the date it names: what was registered before it stands, and a clock set ahead delays nothing.
- A key that is retired signs no more. What was registered before that stands (superseded), or what the statement lets
  stand (compromised). Registrations are compared by sequence alone: where a recovery leaves a doubt, less stands.
- A position orders this origin's trust chain only; `after` of an entry ties it to the other chains of the same writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from shared.events.base import Event
from shared.events.entry import Entry
from shared.events.trust import AccreditationWithdrawn, InstitutionAccredited, InstitutionKeyAdded, InstitutionKeyRetired
from shared.jose.keys import VerificationKey
from shared.jose.purpose import Purpose
from shared.jose.refusals import KeyRefused
from shared.trust.scope import NEARNESS, REFUSALS, Decision, RequiredScope, refusal, refusals

LogPosition = tuple[int, int]
"""(epoch, sequence) in a chain."""

Identifier = tuple[str, str]
"""(scheme, value) of a global identifier, as two claims are compared."""

COMPROMISED = "compromised"
"""The reason of a retirement that lets less stand than what was registered."""


def identifier(scheme: str, value: str) -> Identifier:
    """The form in which claims are compared: letter case and blanks make no other identifier."""
    return "".join(scheme.split()).lower(), "".join(value.split()).upper()


@dataclass(frozen=True, slots=True)
class TrustFact:
    """One event of the trust stream in its place; `after` gives the heads of the origin's other chains at that moment."""

    event: Event
    epoch: int
    seq: int
    after: Mapping[str, int] = field(default_factory=dict)

    @property
    def place(self) -> LogPosition:
        """(epoch, sequence) in the trust chain."""
        return (self.epoch, self.seq)


def from_entry(entry: Entry, event: Event) -> TrustFact:
    """The fact that a verified entry of the trust stream states; `event` is its payload, read."""
    return TrustFact(event, entry.envelope.epoch, entry.envelope.seq, entry.envelope.after)


class Retirement(NamedTuple):
    """How a key ended: registrations by it up to `stand_to` stand. The least of several retirements counts."""

    stand_to: int
    reason: str
    place: LogPosition


class InstitutionKey(NamedTuple):
    """A key an institution signs or signed with, where it was added, and how it ended if it did."""

    verification_key: VerificationKey
    added: LogPosition
    retired: Retirement | None


class _Accredited(NamedTuple):
    place: LogPosition
    event: InstitutionAccredited


_NONE: dict[str, _Accredited] = {}


class _Key(NamedTuple):
    place: LogPosition
    signed: bytes
    key: VerificationKey


class TrustBook:
    """What one node says of its institutions. Facts are only ever added; a question names a position in the log."""

    def __init__(self, facts: Iterable[TrustFact] = ()) -> None:
        self._accredited: dict[str, dict[str, _Accredited]] = {}
        self._identifiers: dict[str, set[Identifier]] = {}
        self._claimants: dict[Identifier, set[str]] = {}
        self._withdrawn: dict[tuple[str, str], LogPosition] = {}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._retired: dict[str, Retirement] = {}
        for fact in facts:
            self.add(fact)

    def add(self, fact: TrustFact) -> None:
        """Enter a fact; one that speaks of no institution (a service key's) is left alone, and a repeat changes nothing."""
        event = fact.event
        if isinstance(event, InstitutionAccredited):
            self._accredit(event, fact.place)
        elif isinstance(event, AccreditationWithdrawn):
            named = (event.institution, event.accreditation)
            self._withdrawn[named] = min(fact.place, self._withdrawn.get(named, fact.place))
        elif isinstance(event, InstitutionKeyAdded):
            self._add_key(event, fact.place)
        elif isinstance(event, InstitutionKeyRetired):
            ended = _retirement(event, fact)
            self._retired[event.kid] = min(ended, self._retired.get(event.kid, ended))

    def accreditation(self, institution: str, *, at: LogPosition | None, on: datetime) -> list[InstitutionAccredited]:
        """The institution's accreditations in force: said by `at` (None: by now), not withdrawn by then, valid on `on`."""
        return [
            event
            for place, event in self._accredited.get(institution, _NONE).values()
            if (at is None or place <= at)
            and not self._is_withdrawn(event, at)
            and event.valid_from <= on
            and (event.valid_until is None or on < event.valid_until)
        ]

    def decide(self, institution: str, wanted: RequiredScope, at: LogPosition | None, on: datetime) -> Decision:
        """Whether the institution was accredited for `wanted`, as the log stood at `at` (None: now), on the moment `on`."""
        nearest, reason = None, "not-accredited"
        for place, event in self._accredited.get(institution, _NONE).values():
            if at is not None and place > at:
                continue
            found = "accreditation-withdrawn" if self._is_withdrawn(event, at) else refusal(event, wanted, on)
            if found is None:
                return _decision(event, None)
            if nearest is None or NEARNESS[found] > NEARNESS[reason]:
                nearest, reason = event, found
        return _decision(nearest, reason)

    def objections(self, institution: str, wanted: RequiredScope, on: datetime) -> tuple[str, ...]:
        """Every reason that the nearest accreditation in force has against `wanted`; empty where it is allowed or there is
        none: `decide` says which.
        """
        found = (tuple(refusals(event, wanted, on)) for event in self.accreditation(institution, at=None, on=on))
        return min(found, key=len, default=())

    def identifiers(self, institution: str) -> AbstractSet[Identifier]:
        """The global identifiers that were ever claimed for the institution; `accreditation` says which still are."""
        return self._identifiers.get(institution, set())

    def claimed(self) -> AbstractSet[Identifier]:
        """The global identifiers that were ever claimed for any institution."""
        return self._claimants.keys()

    def claimants(self, claimed: Identifier) -> AbstractSet[str]:
        """The institutions for which this identifier was ever claimed."""
        return self._claimants.get(claimed, set())

    def key(self, institution: str, kid: str) -> InstitutionKey | None:
        """The institution's key of that id, or None when no usable one was ever added."""
        found = self._keys.get((institution, kid))
        return InstitutionKey(found.key, found.place, self._retired.get(kid)) if found else None

    def key_stands(self, kid: str, registration: LogPosition) -> bool:
        """Whether a credential by this key, registered at `registration` (epoch, sequence), stands."""
        retired = self._retired.get(kid)
        return retired is None or registration[1] <= retired.stand_to

    def _accredit(self, event: InstitutionAccredited, place: LogPosition) -> None:
        accreditations = self._accredited.setdefault(event.institution, {})
        known = accreditations.get(event.accreditation)
        if known is None or (place, event.value()) < (known.place, known.event.value()):
            accreditations[event.accreditation] = _Accredited(place, event)
            in_order = sorted(accreditations.items(), key=lambda item: (item[1].place, item[0]))
            self._accredited[event.institution] = dict(in_order)
        for claimed in starmap(identifier, event.identifiers.items()):
            self._identifiers.setdefault(event.institution, set()).add(claimed)
            self._claimants.setdefault(claimed, set()).add(event.institution)

    def _add_key(self, event: InstitutionKeyAdded, place: LogPosition) -> None:
        named = (event.institution, event.kid)
        try:
            key = VerificationKey.from_jwk(event.jwk, Purpose.INSTITUTION, event.kid)
        except KeyRefused:
            return  # a key that cannot verify is no key: what it signs stays unknown
        added = _Key(place, event.value(), key)
        self._keys[named] = min(added, self._keys.get(named, added), key=lambda item: item[:2])

    def _is_withdrawn(self, event: InstitutionAccredited, at: LogPosition | None) -> bool:
        if not self._withdrawn:
            return False
        place = self._withdrawn.get((event.institution, event.accreditation))
        return place is not None and (at is None or place <= at)


def _decision(event: InstitutionAccredited | None, reason: str | None) -> Decision:
    """What is decided by that accreditation, or by none; `reason` None: it is allowed."""
    return Decision(
        allowed=reason is None,
        reason=reason,
        detail="The institution was accredited for this, then, by its node." if reason is None else REFUSALS[reason],
        accreditation=event.accreditation if event else None,
        name=event.name if event else None,
        country=event.country if event else None,
    )


def _retirement(event: InstitutionKeyRetired, fact: TrustFact) -> Retirement:
    """What stands: all that was registered when the retirement was sequenced; of a compromised key only what the event lets
    stand, and nothing where it names no registration: how far a thief got is unknown then.
    """
    registered = fact.after.get("registrations", 0)
    if event.reason == COMPROMISED:
        return Retirement(min(event.registrations_stand_to or 0, registered), COMPROMISED, fact.place)
    return Retirement(registered, event.reason, fact.place)

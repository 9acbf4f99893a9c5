"""Admission: what may be let in of a record, before anything is stored. Reads nothing but keys, writes nothing.

A record becomes `Sound` (authentic, in scope, understood or at least well signed) or `Refused`:
- *invalid*: not an entry, or not the record its signer made; a dead letter.
- *untrusted*: somebody may have signed it, and not one who may speak here; quarantined, counted against its origin.
A sound entry whose kind or content this software does not understand is let in without an event: it is parked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import ValidationError

from shared.bus.port import Record
from shared.clock import MAX_SKEW
from shared.errors import TestamurError
from shared.events.base import CATALOGUE, STREAMS, Event
from shared.events.checkpoints import Checkpoint
from shared.events.entry import CHECKPOINT_TYP, ENTRY_TYP, Entry, parse_message
from shared.home.membership import Membership
from shared.ids import node_of, parse_topic
from shared.jose import gate, strict_json
from shared.jose.keys import VerificationKey
from shared.log.keyring import Keyring
from shared.trust.nodes import Node

NODE_REASONS = ("unknown-nation", "suspended-nation", "left-nation")
"""Reasons that another federation list may take back."""


SECOND = timedelta(seconds=1)
"""An entry's own time has whole seconds: what it carries may be said within the same one, and not later."""


class Refused(NamedTuple):
    """A record that was not let in, and why: a slug for programs and a sentence for people.

    `origin` is the node on whose topic it came: what it says of itself is not believed, and its quota is not another's.
    """

    record: Record
    family: Literal["invalid", "untrusted"]
    reason: str
    detail: str
    origin: str = ""
    kid: str = ""


class Sound(NamedTuple):
    """An authentic entry, and its event where this software understands it."""

    record: Record
    entry: Entry
    event: Event | None


class Candidate(NamedTuple):
    """An entry that is in order but for its signature, which is still to be checked with `key`."""

    record: Record
    entry: Entry
    key: VerificationKey


def examine(record: Record, membership: Membership, keyring: Keyring, now: datetime) -> Candidate | Refused:
    """Everything but the signature."""
    try:
        entry = parse_message(record.value, record.headers)
    except TestamurError as error:
        return Refused(record, "invalid", error.slug(), error.detail, node_of(record.topic))
    fault = _out_of_scope(record, entry, membership)
    if fault is not None:
        return _untrusted(record, entry, *fault)
    if not STREAMS[entry.stream].chained and entry.envelope.issued_at > now + MAX_SKEW:
        return _untrusted(
            record, entry, "from-the-future", "Its time lies over a minute ahead of this clock: check both clocks."
        )
    key = keyring.find(entry)
    if key is None:
        return _untrusted(record, entry, "unknown-key", "No certificate of that node covers this key and place in its log.")
    return Candidate(record, entry, key)


def conclude(candidate: Candidate, *, anchored: bool = False) -> Sound | Refused:
    """Check the signature (unless a later entry's signature already vouches for it by the chain) and read the event."""
    entry = candidate.entry
    if not anchored:
        try:
            gate.verify(entry.token, candidate.key)
        except gate.TokenRefused as error:
            return _untrusted(candidate.record, entry, error.slug(), error.detail)
    event = understand(entry)
    if isinstance(event, Checkpoint) and event.time > entry.envelope.issued_at + SECOND:
        return _untrusted(candidate.record, entry, "from-the-future", "It is dated ahead of the entry that it came in.")
    return Sound(candidate.record, entry, event)


def understand(entry: Entry) -> Event | None:
    """The event inside an authentic entry, or None where this software does not understand it."""
    kind = CATALOGUE.get(entry.envelope.kind)
    if kind is None or kind.stream.name != entry.stream:
        return None
    try:
        strict_json.loads(entry.token.payload)
        event = kind.model_validate_json(entry.token.payload)
    except (ValidationError, TestamurError):
        return None
    return event if event.subject() == entry.envelope.sub else None


def anchored_by_last(candidates: Sequence[Candidate], heads: Mapping[str, tuple[int, int]]) -> bool:
    """Whether one signature, the last, vouches for all: an unbroken run of one chain, all of it below a proven checkpoint.

    Each entry's signed header names the hash of the one before, so the last signature covers the whole run.
    """
    first, last = candidates[0].entry.envelope, candidates[-1].entry.envelope
    epoch, seq = heads.get(last.topic, (0, 0))
    if len(candidates) < 2 or last.epoch != epoch or last.seq > seq or first.typ != ENTRY_TYP:
        return False
    before = candidates[0].entry
    for candidate in candidates[1:]:
        envelope = candidate.entry.envelope
        if envelope.topic != first.topic or envelope.seq != before.envelope.seq + 1 or envelope.previous != before.hash:
            return False
        before = candidate.entry
    return True


def _out_of_scope(record: Record, entry: Entry, membership: Membership) -> tuple[str, str] | None:
    envelope = entry.envelope
    topic = parse_topic(envelope.topic)
    if envelope.federation != membership.federation:
        return "other-federation", "It was signed for another federation."
    if envelope.topic != record.topic or topic is None or topic.node != envelope.origin or topic.stream not in STREAMS:
        return "other-stream", "It was signed for another stream than the one it came on."
    if envelope.typ != (ENTRY_TYP if STREAMS[topic.stream].chained else CHECKPOINT_TYP):
        return "other-type", "Its token type does not belong on this stream."
    if not STREAMS[topic.stream].public and envelope.origin != membership.me:
        return "private-stream", "That stream of another node is none of this node's business."
    return _membership_fault(membership.node(envelope.origin), entry)


def _membership_fault(node: Node | None, entry: Entry) -> tuple[str, str] | None:
    if node is None:
        return "unknown-nation", "The federation list names no such node."
    if node.status == "suspended":
        return "suspended-nation", "The federation list has this node suspended."
    if node.left is not None:
        head = node.left.heads.get(entry.stream)
        if head is None or (entry.envelope.epoch, entry.envelope.seq) > (node.left.epoch, head.seq):
            return "left-nation", "It lies beyond where this node's log ended when it left the federation."
    return None


def _untrusted(record: Record, entry: Entry, reason: str, detail: str) -> Refused:
    return Refused(record, "untrusted", reason, detail, node_of(record.topic), entry.envelope.kid)

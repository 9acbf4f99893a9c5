"""What a replica costs: foreign events verified and applied, and a newcomer's catching up below a checkpoint."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from shared.bus.port import Record
from shared.clock import SystemClock
from shared.events.base import Event
from shared.events.checkpoints import Checkpoint, Head
from shared.events.entry import Entry, Place, Unsigned, message_headers, sign
from shared.events.registrations import CredentialRegistered
from shared.events.trust import ServiceKeyAdded
from shared.home.folder import Home
from shared.ids import new_event_id, new_ref, topic_name
from shared.jose.signers import LocalSigner
from shared.trust.certificates import read_certificate
from tests.bench.credentials import raw_verify
from tests.bench.measure import ROUNDS, Row, at_least, rate, rate_of, timed
from tests.world import federate, found, running

BATCH = 500
APPLIED = 4_000
CAUGHT_UP = 15_000
ZERO = "A" * 43


async def rows(folder: Path) -> list[Row]:
    """Both figures, each round on a new replica."""
    ee, clock = found(folder / "ee", "ee"), SystemClock()
    trust = _records(certificates(ee, clock), 0)
    chain = list(registrations(ee, clock, CAUGHT_UP))
    bare = raw_verify(chain[0].token, ee.signer("registry").verification_key())
    pairs, caught = [], []
    for number in range(ROUNDS):
        against = rate(bare)
        applied = await _applied(folder, ee, f"{number}a", trust, chain[:APPLIED])
        pairs.append((applied, against))
        checkpoint = _checkpoint(ee, clock, chain[-1])
        caught.append(await _applied(folder, ee, f"{number}b", [*trust, *_records([checkpoint], 0)], chain))
    return [
        at_least("apply", "foreign events verified and applied/s per core / raw verify rate", pairs, 0.30),
        rate_of("catch-up", "a newcomer's replay below a checkpoint, events/s", caught, 15_000),
    ]


async def _applied(folder: Path, ee: Home, name: str, first: Sequence[Record], chain: Sequence[Entry]) -> float:
    pt = found(folder / f"pt{name}", "pt")
    federate([ee, pt])
    records = _records(chain, 0)
    async with running(pt) as nation:
        inbox = nation.engine("verifier").inbox
        await inbox.receive(first)

        async def all_of_it() -> int:
            for start in range(0, len(records), BATCH):
                await inbox.receive(records[start : start + BATCH])
            return len(records)

        speed = await timed(all_of_it)
        assert inbox.origin("ee").seq("registrations") == len(chain)
    return speed


def certificates(home: Home, clock: SystemClock) -> Iterator[Entry]:
    """The trust stream of a node that announces its service keys."""
    node, previous = home.node(), ZERO
    for place, certificate in enumerate(home.certificates().values(), start=1):
        key = read_certificate(certificate, federation=home.settings.federation, node=node)
        entry = _seal(home, clock, ServiceKeyAdded(kid=key.key.kid, certificate=certificate), place, previous)
        previous = entry.hash
        yield entry


def registrations(home: Home, clock: SystemClock, number: int) -> Iterator[Entry]:
    previous = ZERO
    for seq in range(1, number + 1):
        commitments = {"vc+jwt": secrets.token_urlsafe(32)}
        event = CredentialRegistered(
            ref=new_ref(), commitments=commitments, institution="tartu", kid=ZERO, credential_type="micro-credential"
        )
        entry = _seal(home, clock, event, seq, previous)
        previous = entry.hash
        yield entry


def _checkpoint(home: Home, clock: SystemClock, last: Entry) -> Entry:
    heads = {"registrations": Head(seq=last.envelope.seq, hash=last.hash)}
    event = Checkpoint(time=clock.now(), heads=heads)
    place = Place(home.settings.federation, "ee", 1, 1)
    return sign(Unsigned.of(event, new_event_id(), clock.now()), place, home.signer("checkpoint"))


def _seal(home: Home, clock: SystemClock, event: Event, seq: int, previous: str) -> Entry:
    after = {"trust": 5} if event.stream.name != "trust" else {}
    place = Place(home.settings.federation, "ee", 1, seq, previous, after)
    return sign(Unsigned.of(event, new_event_id(), clock.now()), place, _registry_key(home))


@cache
def _registry_key(home: Home) -> LocalSigner:
    return home.signer("registry")


def _records(entries: Sequence[Entry] | Iterator[Entry], offset: int) -> list[Record]:
    made = []
    for number, entry in enumerate(entries, start=offset + 1):
        topic = topic_name("ee", entry.stream)
        made.append(Record(topic, number, entry.envelope.sub, entry.token.payload, message_headers(entry)))
    return made

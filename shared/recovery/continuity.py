"""Whether this store knows all of the chains that it goes on writing (protocol, section 3, Recovery; ADR 17).

A store that was set back to an older backup has forgotten entries that others hold. If it went on, it would sign other
entries in their places, and every neighbour would call its log contradictory, for ever. So before anything is sequenced the
bus and the neighbours are asked how far they know these chains, and whatever of it is not in the archive here *holds* the
service: it sequences nothing, publishes nothing, makes no checkpoint, and takes no request that changes anything.

- *Behind*: entries that we signed are missing here. `recovery` pulls them back.
- *Diverged*: at one sequence we signed one entry here and another that somebody else holds. No pulling back mends that.
- Only our own signature holds us. A neighbour that does not answer within `ASK_SECONDS` does not keep the service from
  starting. The log names it, it is asked again in the background, and if it knows more, the service is held then.
- An entry that was signed after this process began and is not here was not forgotten: somebody else has our key. That goes
  to the log as an error and does not hold the service; neighbours that saw both entries call our log contradictory.
- Each process of a service looks by itself when it starts; every entry is stored before it is published, so what others hold
  is missing here only where the store has forgotten it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from shared.clock import Clock
from shared.errors import TestamurError, Unavailable
from shared.events.base import CHECKPOINTS
from shared.events.chain import Position
from shared.events.checkpoints import Checkpoint
from shared.ids import stream_of, topic_name
from shared.log.archive import HEADS, hash_at, position_of
from shared.recovery.holders import THE_BUS, HeldEntry, Holders, is_checkpoint
from shared.store.port import Store
from shared.tasks.backoff import pause_after
from shared.tasks.toggle import Toggle
from shared.telemetry import get_logger

ASK_SECONDS = 3.0
"""Seconds that the bus and each neighbour have for their answer, all of them at once."""

ASK_AGAIN_SECONDS = (0.5, 2.0, 5.0, 15.0, 60.0)
"""Seconds before those who did not answer are asked again; the last one is repeated."""

LOOK_SECONDS = 1.0
"""Seconds between looks at whether what was missing is here now."""

_log = get_logger("continuity")


class LogIncomplete(Unavailable):
    """503: the store has forgotten part of this node's own log; nothing may be changed before that is back."""

    title = "This node has forgotten a part of its own log."


class Claim(NamedTuple):
    """That we signed an entry: its place and hash, who holds it or a checkpoint of ours that names it, and when that was."""

    topic: str
    epoch: int
    seq: int
    hash: str
    holder: str
    signed: datetime

    @property
    def stream(self) -> str:
        """The stream's name."""
        return stream_of(self.topic)


class Continuity:
    """One process's knowledge of whether its service's chains are complete here."""

    def __init__(self, store: Store, holders: Holders, node: str, clock: Clock) -> None:
        self._clock = clock
        self._store = store
        self.holders = holders
        self._node = node
        self._answered: set[str] = set()
        self._missing: dict[tuple[str, int, int, str], Claim] = {}
        self._diverged: Claim | None = None
        self._comparing = asyncio.Lock()
        self._held = False
        self._stuck = ""
        self.newest_checkpoint: HeldEntry | None = None
        self.log_complete = Toggle()
        """On while nothing is known to be missing."""

    async def ask(self, everybody: bool = False) -> None:
        """Ask who has not answered yet (or everybody), and compare what comes with the archive."""
        if everybody:
            self._answered.clear()
        asked = [self._ask(THE_BUS, self.holders.on_bus)] if THE_BUS not in self._answered else []
        asked += [
            self._ask(node.name, partial(self.holders.at, node))
            for node in self.holders.nodes()
            if node.name not in self._answered
        ]
        found = [held for answer in await asyncio.gather(*asked) for held in answer]
        await self.compare(found)
        self.holders.began = self.holders.began or self._clock.now()

    async def compare(self, found: Iterable[HeldEntry] = ()) -> None:
        """Hold the service while something that we signed is not in the archive here, and let it go on otherwise."""
        async with self._comparing:
            for held in found:
                self._note(held)
            await self._compare()

    async def _compare(self) -> None:
        missing: dict[tuple[str, int, int, str], Claim] = {}
        diverged = None
        topics = {claim.topic for claim in self._missing.values()}
        heads = {topic: position_of(await self._store.get(HEADS, topic)) for topic in topics}
        for place, claim in list(self._missing.items()):
            here = await self._here(claim, heads[claim.topic])
            if here != claim.hash and self.holders.is_younger(claim.signed):
                _log.error("signed with this node's key, and not by this node", stream=claim.stream, sequence=claim.seq)
            elif here != claim.hash:
                missing[place] = claim
                diverged = claim if here is not None else diverged
        self._missing, self._diverged = missing, diverged or (self._diverged if missing else None)
        await self._turn()

    async def fork(self, held: HeldEntry) -> None:
        """Hold the service for good: an entry that we signed does not follow the one that we hold before it."""
        self._note(held)
        place = held.entry.envelope
        self._diverged = Claim(place.topic, place.epoch, place.seq, held.entry.hash, held.holder, place.issued_at)
        await self._turn()

    async def run(self) -> None:
        """Look on, until cancelled: ask again those who did not answer, and see when what was missing is here."""
        tries = 0
        while True:
            if not self.log_complete.on:
                await asyncio.sleep(LOOK_SECONDS)
                await self.compare()
                continue
            await asyncio.sleep(pause_after(tries, ASK_AGAIN_SECONDS))
            tries += 1
            if self.silent():
                await self.ask()

    def silent(self) -> list[str]:
        """The names of those that have not answered yet."""
        asked = [THE_BUS, *(node.name for node in self.holders.nodes())]
        return [name for name in asked if name not in self._answered]

    def claimed(self) -> dict[str, tuple[int, int]]:
        """Per chain on which something is missing, how far (epoch, sequence) others are known to hold it."""
        reached: dict[str, tuple[int, int]] = {}
        for claim in self._missing.values():
            reached[claim.topic] = max(reached.get(claim.topic, (0, 0)), (claim.epoch, claim.seq))
        return reached

    @property
    def diverged(self) -> bool:
        """Whether two entries of ours claim one place."""
        return self._diverged is not None

    def stuck(self, why: str) -> None:
        """Take note why pulling back does not go on; an empty text: it does."""
        if why and why != self._stuck:
            _log.error("this node's log cannot be pulled back yet", detail=why)
        self._stuck = why

    def require_complete(self) -> None:
        """Raise `LogIncomplete` while the service is held."""
        if not self.log_complete.on:
            raise LogIncomplete(
                self.complaint() or "Others are being asked how far this node's log goes. Ask again in a moment."
            )

    async def not_ready(self) -> str | None:
        """Why the service is held, or None."""
        return None if self.log_complete.on else self.complaint()

    def complaint(self) -> str:
        """What is the matter, and the next action; empty while nothing is missing."""
        if self._diverged is not None:
            one = self._diverged
            return (
                f"This node signed two different entries as {one.stream} {one.seq}: one is here, the other at {one.holder}. "
                "Nothing more is signed. Stop it, and go by 'A restored backup' in docs/operating.md."
            )
        if not self._missing:
            return ""
        holders = ", ".join(sorted({claim.holder for claim in self._missing.values()}))
        places = ", ".join(f"{stream_of(topic)} {seq}" for topic, (_, seq) in sorted(self.claimed().items()))
        missing = f"This store is older than the node's own log: {holders} holds entries that are not here, up to {places}."
        return f"{missing} {self._stuck or 'They are being pulled back; nothing else is signed until then.'}"

    async def _ask(self, name: str, question: Callable[[], Awaitable[Sequence[HeldEntry]]]) -> Sequence[HeldEntry]:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = await question()
        except (TestamurError, TimeoutError) as error:
            _log.debug("not asked", who=name, detail=str(error))
            return ()
        except Exception as error:  # noqa: BLE001 - whatever a neighbour sends, the service starts
            _log.warning("an answer could not be read", who=name, error=type(error).__name__)
            return ()
        self._answered.add(name)
        return found

    def _note(self, held: HeldEntry) -> None:
        place = held.entry.envelope
        self._claim(Claim(place.topic, place.epoch, place.seq, held.entry.hash, held.holder, place.issued_at))
        if not is_checkpoint(held):
            return
        newest = self.newest_checkpoint.entry.envelope if self.newest_checkpoint else None
        if self.holders.is_younger(place.issued_at):
            return
        if newest is None or (newest.epoch, newest.seq) < (place.epoch, place.seq):
            self.newest_checkpoint = held
        if isinstance(held.event, Checkpoint):
            for stream, head in held.event.heads.items():
                topic = topic_name(self._node, stream)
                self._claim(Claim(topic, place.epoch, head.seq, head.hash, held.holder, place.issued_at))

    def _claim(self, claim: Claim) -> None:
        if claim.seq and claim.topic in map(self.holders.topic, self.holders.streams):
            self._missing.setdefault(claim[:4], claim)

    async def _here(self, claim: Claim, head: Position) -> str | None:
        """The hash that the archive holds at that place. Checkpoints are no chain, and old ones are deleted: what counts is
        that their numbers do not go back.
        """
        if (claim.epoch, claim.seq) > (head.epoch, head.seq):
            return None
        if claim.stream == CHECKPOINTS.name:
            return claim.hash
        return await hash_at(self._store, claim.topic, claim.epoch, claim.seq)

    async def _turn(self) -> None:
        log_complete = not self._missing
        if not log_complete and not self._held:
            _log.error("held: others hold more of this node's log than this store", detail=self.complaint())
        if log_complete and self._held:
            _log.warning("this node's log is complete again: it goes on")
        self._held = not log_complete
        if log_complete != self.log_complete.on:
            await self.log_complete.set(log_complete)

"""Which of several processes of one service works its loops: one leads, the others stand by and answer requests.

- A leader writes nothing to go on leading. A process that wants to lead writes a challenge into the store. A leader looks
  there every `LOOK_SECONDS` and answers. One that does not answer within `ANSWER_SECONDS` is gone, or too slow, and the
  challenger takes over.
- No two clocks are compared: each process only counts the seconds that it has waited itself.
- Leading is for peace, not for safety: what keeps a leader that lost its place from doing harm is compared in the very
  transactions that would do it (heads, positions, marks, the sequencer's token).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from shared.clock import Clock
from shared.errors import Unavailable
from shared.ids import new_event_id
from shared.store.port import Collection, Document, Store, Transaction, VersionConflict
from shared.tasks.toggle import Toggle
from shared.telemetry import get_logger

LEADERS = Collection("leaders")
"""By service: `{holder, challenge}`; the holder is empty after it has resigned."""

LOOK_SECONDS = 0.4
"""Seconds between two looks at the store: a read, which costs an idle node next to nothing."""

ANSWER_SECONDS = 1.6
"""Seconds that a leader has for its answer, several looks long."""

REST_SECONDS = 2.0
"""Seconds between an answer and a standby's next challenge."""

_log = get_logger("leadership")


class Leadership:
    """One process's part in it."""

    def __init__(self, store: Store, service: str, clock: Clock) -> None:
        self._store = store
        self._service = service
        self._clock = clock
        self._me = new_event_id()
        self._seen = ("", float("-inf"))
        self._leading = Toggle()

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self._leading.on

    async def run(self) -> None:
        """Lead or stand by until cancelled, and resign then: a standby need not wait for our silence."""
        try:
            while True:
                try:
                    await self.look()
                except Unavailable as error:
                    _log.warning("waiting for the store", detail=error.detail)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._resign()

    async def look(self) -> None:
        """See who leads, answer a challenge, or challenge and take over."""
        held = await self._store.get(LEADERS, self._service)
        try:
            await self._become(await self._act(held))
        except VersionConflict:
            return  # somebody was quicker: the next look shows who

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` whenever this process leads, and break it off whenever it does not; returns when `work` does."""
        await self._leading.while_on(work)

    async def _act(self, held: Document | None) -> bool:
        """What this look calls for; returns whether this process leads after it."""
        holder, challenge = (held.body["holder"], held.body["challenge"]) if held else ("", "")
        if holder == self._me:
            if challenge:
                await self._write(held, self._me)
            return True
        stood = self._stood(f"{held.version}/{challenge}" if held and challenge else "")
        if not holder or (challenge and stood > ANSWER_SECONDS):
            await self._write(held, self._me)
            return True
        if not challenge and stood > REST_SECONDS:
            await self._write(held, holder, challenge=self._me)
        return False

    def _stood(self, challenge: str) -> float:
        """For how many seconds, under our eyes, this very challenge has stood, or none has."""
        now = self._clock.monotonic()
        if self._seen[0] != challenge:
            self._seen = (challenge, now)
        return now - self._seen[1]

    async def _write(self, held: Document | None, holder: str, challenge: str = "") -> None:
        body: dict[str, Any] = {"holder": holder, "challenge": challenge}

        async def work(tx: Transaction) -> None:
            await tx.put(LEADERS, self._service, body, expect=held.version if held else 0)

        await self._store.transact(work)

    async def _become(self, leads: bool) -> None:
        if leads == self.leads:
            return
        if not leads or self._seen[1] > float("-inf"):  # one that led from its first look took over from no other
            _log.info("this process leads now" if leads else "another process leads now", service=self._service)
        await self._leading.set(leads)

    async def _resign(self) -> None:
        try:
            held = await self._store.get(LEADERS, self._service)
            if held is not None and held.body["holder"] == self._me:
                await self._write(held, "")
        except (Unavailable, VersionConflict):
            return  # the next leader waits for our silence instead
        finally:
            await self._leading.set(False)

"""The door: the one place where a request's transaction is opened.

One request = one unit of work: what it changes, what it says to the world, its audit row and its idempotency row become
durable together, and only then is it answered (protocol, section 3, T1).
What is lost if the process dies here: before the commit everything, and the caller, who got no answer, repeats the request
under its key; after it nothing, and the repeated request gets the stored answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from shared.log.outbox import Outbox, Unit
from shared.web.auth.authorities import Caller
from shared.web.idempotency import Answer, AnswerVault, RequestInFlight, Slot, sweep
from shared.web.problems import IdempotencyKeyMissing

V = TypeVar("V", bound=BaseModel | None)

Headers = Mapping[str, str] | Callable[[V], Mapping[str, str]] | None
"""Headers of an answer, or how to make them from what the work returned (an `ETag`, a `Location`)."""

_KEY = re.compile(r"[!-~]{1,128}")


class Door:
    """Answers the requests that change something, on one service's store."""

    def __init__(self, outbox: Outbox, guard: Callable[[], None] = lambda: None) -> None:
        """`guard` raises while nothing may be changed."""
        self._outbox = outbox
        self._guard = guard
        self._under_way: set[str] = set()

    async def answer(
        self,
        request: Request,
        caller: Caller,
        work: Callable[[Unit], Awaitable[V]],
        *,
        status: int = 200,
        headers: Headers[V] = None,
        vault: AnswerVault | None = None,
        required: bool = False,
    ) -> Response:
        """Run `work` once, in one transaction, and answer with the view it returns (None: an empty body).

        `required`: refuse a request without `Idempotency-Key`. `vault`: seals the stored answer. Whatever `work` raises
        undoes everything and is not stored.
        """
        self._guard()
        key = _key(request, required=required)
        if key is None:
            result = await self._outbox.transact(work, caller.actor)
            return _answer(result, status, headers).response()
        slot = Slot.of(request, caller, key, await request.body())

        async def once(unit: Unit) -> Answer:
            kept = await slot.kept(unit, vault)
            if kept is not None:
                return kept
            result = await work(unit)
            answer = _answer(result, status, headers)
            await slot.keep(unit, answer, result, vault)
            return answer

        with self._alone(slot):
            return (await self._outbox.transact(once, caller.actor)).response()

    async def sweep(self) -> int:
        """Delete idempotency rows that have ended; returns how many. Run it daily."""
        return await sweep(self._outbox.store, self._outbox.clock.now())

    @contextmanager
    def _alone(self, slot: Slot) -> Iterator[None]:
        if slot.row in self._under_way:
            raise RequestInFlight("Wait for its answer, or ask again in a second.")
        self._under_way.add(slot.row)
        try:
            yield
        finally:
            self._under_way.discard(slot.row)


def _key(request: Request, *, required: bool) -> str | None:
    given = request.headers.get("idempotency-key")
    if given is None and not required:
        return None
    if given is None or not _KEY.fullmatch(given):
        raise IdempotencyKeyMissing("Send 1 to 128 visible ASCII characters, new for each thing that is to be made.")
    return given


def _answer(result: V, status: int, headers: Headers[V]) -> Answer:
    made = headers(result) if callable(headers) else headers
    body = b"" if result is None else result.__pydantic_serializer__.to_json(result, by_alias=True)
    return Answer(status, made or {}, body)

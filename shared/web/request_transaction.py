"""The request transaction: the one place where a request's transaction is opened.

One request = one unit of work: what it changes, what it emits, its audit row and its idempotency row become durable
together, and only then is it answered (protocol, section 3, T1). Under an `Idempotency-Key` it goes one way:

1. `RequestTransactions.open` claims the key: a second request that comes meanwhile is refused (409) before any work.
2. `RequestTransaction.kept` is the answer that was given already, or None.
3. What takes time (drafting, checking, signing) is done next, outside any transaction. A refusal is raised as it is.
4. `RequestTransaction.answer` opens the transaction, looks once more for an answer, does the work and stores the answer.

The claim lies in this process's memory. Two processes may both draft under one key: then the transaction decides, the
first one is kept, and the second gets its answer.
What is lost if the process dies here: the claim, so that no key stays claimed. Before the commit also everything else,
and the caller, who got no answer, repeats the request under its key; after it nothing, and the repeated request gets the
stored answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from shared.log.outbox import Outbox, Unit
from shared.web.auth.authorities import Caller
from shared.web.idempotency import AnswerVault, HttpAnswer, RequestInFlight, Slot, sweep
from shared.web.problems import IdempotencyKeyMissing

V = TypeVar("V", bound=BaseModel | None)

Headers = Mapping[str, str] | Callable[[V], Mapping[str, str]] | None
"""Headers of an answer, or how to make them from what the work returned (an `ETag`, a `Location`)."""

_KEY = re.compile(r"[!-~]{1,128}")


def _unguarded() -> None:
    """A guard that lets every change pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTransaction(Generic[V]):
    """One request that changes something, from its claim on the key to its answer."""

    outbox: Outbox
    actor: str
    slot: Slot | None = None
    """Where its answer is kept; None for a request without `Idempotency-Key`."""
    status: int = 200
    headers: Headers[V] = None
    vault: AnswerVault | None = None
    """Encrypts the stored answer."""
    guard: Callable[[], None] = _unguarded
    """Raises while nothing may be changed."""

    async def kept(self) -> Response | None:
        """The answer that was stored for this request, or None; raises `IdempotencyKeyReused` or `AnswerErased`."""
        if self.slot is None:
            return None
        answer = await self.slot.kept(self.outbox.store, self.outbox.clock.now(), self.vault)
        return answer.response() if answer else None

    async def answer(self, work: Callable[[Unit], Awaitable[V]]) -> Response:
        """Run `work` once, in one transaction, and answer with the view it returns (None: an empty body).

        Where another process stored an answer meanwhile, that is the answer. Whatever `work` raises undoes everything and
        is not stored.
        """
        self.guard()
        return (await self.outbox.transact(lambda unit: self._once(unit, work), self.actor)).response()

    async def _once(self, unit: Unit, work: Callable[[Unit], Awaitable[V]]) -> HttpAnswer:
        if self.slot is None:
            return _answer(await work(unit), self.status, self.headers)
        kept = await self.slot.kept_in(unit, self.vault)
        if kept is not None:
            return kept
        result = await work(unit)
        answer = _answer(result, self.status, self.headers)
        await self.slot.keep(unit, answer, result, self.vault)
        return answer


class RequestTransactions:
    """Opens the transactions of requests that change something, on one service's store."""

    def __init__(self, outbox: Outbox, guard: Callable[[], None] = _unguarded) -> None:
        """`guard` raises while nothing may be changed."""
        self._outbox = outbox
        self._guard = guard
        self._claimed: set[str] = set()

    @asynccontextmanager
    async def open(
        self,
        request: Request,
        caller: Caller,
        *,
        status: int = 200,
        headers: Headers[V] = None,
        vault: AnswerVault | None = None,
        required: bool = False,
    ) -> AsyncIterator[RequestTransaction[V]]:
        """Claim the request's key until it is answered; raises `RequestInFlight` where another request holds it.

        `required`: refuse a request without `Idempotency-Key`. `vault`: encrypts the stored answer.
        """
        self._guard()
        key = _key(request, required=required)
        slot = None if key is None else Slot.of(request, caller, key, await request.body())
        with self._claim(slot):
            yield RequestTransaction(
                outbox=self._outbox,
                actor=caller.actor,
                slot=slot,
                status=status,
                headers=headers,
                vault=vault,
                guard=self._guard,
            )

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
        """Answer a request that needs nothing but its transaction: `open`, then `RequestTransaction.answer`."""
        opened = self.open(request, caller, status=status, headers=headers, vault=vault, required=required)
        async with opened as transaction:
            return await transaction.answer(work)

    async def sweep(self) -> int:
        """Delete idempotency rows that have ended; returns how many. Run it daily."""
        return await sweep(self._outbox.store, self._outbox.clock.now())

    @contextmanager
    def _claim(self, slot: Slot | None) -> Iterator[None]:
        if slot is None:
            yield
            return
        if slot.row in self._claimed:
            raise RequestInFlight("Wait for its answer, or ask again in a second.")
        self._claimed.add(slot.row)
        try:
            yield
        finally:
            self._claimed.discard(slot.row)


def _key(request: Request, *, required: bool) -> str | None:
    given = request.headers.get("idempotency-key")
    if given is None and not required:
        return None
    if given is None or not _KEY.fullmatch(given):
        raise IdempotencyKeyMissing("Send 1 to 128 visible ASCII characters, new for each thing that is to be made.")
    return given


def _answer(result: V, status: int, headers: Headers[V]) -> HttpAnswer:
    made = headers(result) if callable(headers) else headers
    body = b"" if result is None else result.__pydantic_serializer__.to_json(result, by_alias=True)
    return HttpAnswer(status, made or {}, body)

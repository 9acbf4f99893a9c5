"""Idempotency keys: a request that is sent twice is done once, and answered twice with the same bytes.

(draft-ietf-httpapi-idempotency-key-header; the rows live beside what the request changed, in the same transaction.)
- A key belongs to a caller (with the institution it acts for), a method and a route. Its row holds a fingerprint of the
  request and the complete answer. The fingerprint is made with the key, which is stored nowhere: a guess of what a request
  said about a person cannot be confirmed by the row.
- Same key, same request: the stored answer. Same key, another request: 422. While the first is under way: 409.
- A request that failed left no row, so it may be repeated under the same key.
- A row is kept seven days. An answer with personal data is encrypted by the service's own vault, so that erasing reaches
  it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, NotRequired, Protocol, TypedDict, cast

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from shared.errors import Conflict, Invalid, TestamurError
from shared.log.outbox import Unit
from shared.store.port import PAGE, Collection, Index, Reader, Store, Transaction
from shared.web.auth.authorities import Caller

IDEMPOTENCY = Collection("idempotency", (Index(("day",)),))
"""One row an idempotency key, by the hash of what it belongs to; `day` is the one on which it ends."""
IDEMPOTENCY_DAYS = Collection("idempotency_days")
"""The days on which any row ends, so that the sweep finds them."""
COLLECTIONS = (IDEMPOTENCY, IDEMPOTENCY_DAYS)

ANSWERS_KEPT = timedelta(days=7)
"""How long a client may repeat a request and get the same answer."""


class StoredAnswer(TypedDict):
    """A row of `IDEMPOTENCY`."""

    fingerprint: str
    """Of the request that it answers."""
    status: int
    headers: dict[str, str]
    body: str
    """What was answered; empty where it is encrypted."""
    sealed: NotRequired[dict[str, Any]]
    """The encrypted answer, as its vault keeps it."""
    ends: int
    """Seconds of the Unix epoch until which it is kept."""
    day: str
    """The day on which it ends."""


class IdempotencyKeyReused(Invalid):
    """422: this key was used for another request."""

    title = "This Idempotency-Key belongs to another request."


class RequestInFlight(Conflict):
    """409: the first request of this key is still under way."""

    title = "The first request with this Idempotency-Key is still under way."

    def headers(self) -> Mapping[str, str]:
        """Ask again in a second."""
        return {"Retry-After": "1"}


class AnswerErased(TestamurError):
    """410: the request was done, and what it made has been erased since."""

    status = 410
    title = "The answer to this request has been erased."


class AnswerVault(Protocol):
    """Keeps an answer that holds personal data so that it can be erased with what it speaks of."""

    async def encrypt(self, unit: Unit, body: bytes, result: BaseModel) -> dict[str, Any]:
        """Encrypt the answer under the key of the thing it speaks of; may read that key in the open transaction."""
        ...

    async def open(self, reader: Reader, encrypted: Mapping[str, Any]) -> bytes | None:
        """The answer again, or None once its key has been destroyed."""
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes over the wire: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def response(self) -> Response:
        """The HTTP response; a body is JSON."""
        return Response(self.body, self.status, dict(self.headers), "application/json" if self.body else None)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one idempotency key's row lies, and the fingerprint of the request that now brings it."""

    row: str
    fingerprint: str

    @classmethod
    def of(cls, request: Request, caller: Caller, key: str, body: bytes) -> Slot:
        """The slot of a request; the row's name gives away neither caller nor key."""
        asker = (caller.issuer, caller.subject, caller.institution or "")
        place = (*asker, request.method, request.scope["route"].path, key)
        asked = (request.method, request.url.path, request.url.query)
        row = _digest(hashlib.sha256(), *(part.encode() for part in place))
        return cls(row, _digest(hmac.new(key.encode(), digestmod="sha256"), *(part.encode() for part in asked), body))

    async def kept(self, reader: Reader, now: datetime, vault: AnswerVault | None) -> HttpAnswer | None:
        """The stored answer, or None; raises `IdempotencyKeyReused` or `AnswerErased`."""
        found = await reader.get(IDEMPOTENCY, self.row)
        if found is None or found.body["ends"] <= now.timestamp():
            return None
        return await self._answer(reader, cast("StoredAnswer", found.body), vault)

    async def kept_in(self, unit: Unit, vault: AnswerVault | None) -> HttpAnswer | None:
        """The same inside a transaction, which clears away an answer that has ended."""
        found = await unit.tx.get(IDEMPOTENCY, self.row)
        if found is None:
            return None
        if found.body["ends"] <= unit.now.timestamp():
            await unit.tx.delete(IDEMPOTENCY, self.row, found.version)
            return None
        return await self._answer(unit.tx, cast("StoredAnswer", found.body), vault)

    async def _answer(self, reader: Reader, stored: StoredAnswer, vault: AnswerVault | None) -> HttpAnswer:
        if stored["fingerprint"] != self.fingerprint:
            raise IdempotencyKeyReused("Use a new key for a new request.")
        body: bytes | None = stored["body"].encode()
        if "sealed" in stored:
            body = await vault.open(reader, stored["sealed"]) if vault else None
        if body is None:
            raise AnswerErased("It was done the first time. Do not send it again.")
        return HttpAnswer(stored["status"], stored["headers"], body)

    async def keep(self, unit: Unit, answer: HttpAnswer, result: BaseModel | None, vault: AnswerVault | None) -> None:
        """Store the answer in the open transaction."""
        ends = unit.now + ANSWERS_KEPT
        row = StoredAnswer(
            fingerprint=self.fingerprint,
            status=answer.status,
            headers=dict(answer.headers),
            body="",
            ends=int(ends.timestamp()),
            day=_day(ends),
        )
        if vault is not None and result is not None:
            row["sealed"] = await vault.encrypt(unit, answer.body, result)
        else:
            row["body"] = answer.body.decode()
        await unit.tx.insert(IDEMPOTENCY, self.row, row)
        if await unit.tx.get(IDEMPOTENCY_DAYS, row["day"]) is None:
            await unit.tx.insert(IDEMPOTENCY_DAYS, row["day"], {})


async def sweep(store: Store, now: datetime) -> int:
    """Delete the rows that ended before today, a page in each transaction; returns how many."""
    deleted = 0
    for day in await store.scan(IDEMPOTENCY_DAYS):
        if day.key >= _day(now):
            break
        while keys := [row.key for row in await store.scan(IDEMPOTENCY, where={"day": day.key}, limit=PAGE)]:
            await store.transact(lambda tx, keys=keys: _delete(tx, keys))  # type: ignore[misc]
            deleted += len(keys)
        await store.transact(lambda tx, key=day.key: tx.delete(IDEMPOTENCY_DAYS, key))  # type: ignore[misc]
    return deleted


def _declared(
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=128,
            pattern="^[!-~]+$",
            description="A new value for each thing that is to be made; repeat it to repeat the request safely.",
        ),
    ],
) -> str:
    return idempotency_key


KEYED = Depends(_declared)
"""For a route's `dependencies`: it needs an `Idempotency-Key`, and its API document says so."""


async def _delete(tx: Transaction, keys: list[str]) -> None:
    for key in keys:
        await tx.delete(IDEMPOTENCY, key)


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def _digest(digest: _Digest, *parts: bytes) -> str:
    """A hash over parts of any length, each preceded by its length."""
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()

"""Two stores compared: collection by collection, every key, version and member, a page in memory at a time.

A collection's digest is the SHA-256 over one line of JSON a document, in key order, with sorted members. Two stores that
hold the same, however they keep it, have the same digests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from hashlib import sha256
from typing import NamedTuple

import orjson

from shared.store.port import PAGE, Collection, Document, Reader
from shared.store.walk import pages

Step = Callable[[int], None]
"""Told how many documents more are done, after each page. It may raise: what is done by then stands."""


class Compared(NamedTuple):
    """One collection of two stores: how many documents the first one has, their digest, and the first key that differs."""

    collection: str
    documents: int
    digest: str
    differs_at: str | None


async def compare(one: Reader, other: Reader, collection: Collection, step: Step = lambda _: None) -> Compared:
    """Read a collection of both from end to end."""
    here, there = await _digest(one, collection, step), await _digest(other, collection, step)
    return Compared(collection.name, *here, None if here == there else await first_difference(one, other, collection))


async def first_difference(one: Reader, other: Reader, collection: Collection) -> str:
    """The first key at which two stores differ; empty when they do not any more."""
    ours, theirs = walk(one, collection), walk(other, collection)
    while True:
        rows = await anext(ours, None), await anext(theirs, None)
        found = [row for row in rows if row is not None]
        if len(found) < 2 or _line(found[0]) != _line(found[1]):
            return min((row.key for row in found), default="")


async def walk(store: Reader, collection: Collection, step: Step = lambda _: None) -> AsyncGenerator[Document]:
    """Every document of a collection, in key order; `step` is told of each page that is done."""
    async for rows in pages(store, collection, limit=PAGE):
        for row in rows:
            yield row
        step(len(rows))
        await asyncio.sleep(0)  # a store that never waits would keep a signal from being heard


async def _digest(store: Reader, collection: Collection, step: Step) -> tuple[int, str]:
    documents, digest = 0, sha256()
    async for row in walk(store, collection, step):
        documents += 1
        digest.update(_line(row))
    return documents, digest.hexdigest()


def _line(row: Document) -> bytes:
    """A document as one line of JSON: equal lines are equal documents."""
    return orjson.dumps([row.key, row.version, row.body], option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

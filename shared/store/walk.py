"""Walking a whole collection, a page in memory at a time, inside a transaction or outside.

A page is one read: what changes behind the walk is not seen, what changes before it is. Documents that were walked may be
deleted on the way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from shared.store.port import PAGE, Collection, Document, Reader, Scalar


async def pages(
    reader: Reader,
    collection: Collection,
    *,
    prefix: str = "",
    where: Mapping[str, Scalar] | None = None,
    limit: int = PAGE,
) -> AsyncGenerator[list[Document]]:
    """Every document that `scan` would find, in key order, in pages of `limit`; an empty page is not given."""
    after = ""
    while rows := await reader.scan(collection, prefix=prefix, after=after, where=where, limit=limit):
        yield rows
        if len(rows) < limit:
            return
        after = rows[-1].key


async def every(
    reader: Reader, collection: Collection, *, prefix: str = "", where: Mapping[str, Scalar] | None = None
) -> AsyncGenerator[Document]:
    """Every document that `scan` would find, in key order."""
    async for rows in pages(reader, collection, prefix=prefix, where=where):
        for row in rows:
            yield row

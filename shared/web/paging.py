"""Long lists a page at a time: an opaque cursor, at most 200 items, a `Link` to what follows (RFC 8288).

A cursor is the key of the last item, base64url. It grants nothing: every scan is bounded by the caller's own prefix, so a
cursor from elsewhere only says where in one's own list to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import pybase64
from fastapi import Depends, Query, Request, Response

from shared.errors import NotFound
from shared.store.port import Document
from shared.web.command import View

T = TypeVar("T")

DEFAULT_LIMIT = 50
"""A screenful."""
MAX_LIMIT = 200
"""Keeps the largest answer far below a second's work."""


class CursorUnknown(NotFound):
    """404: no page has such a cursor."""

    title = "There is no page with that cursor."


class Page(View, Generic[T]):
    """Some items of a list, in its order."""

    items: tuple[T, ...]
    """The items of this page."""
    next: str | None = None
    """The cursor of the page after this one; null on the last."""


@dataclass(frozen=True, slots=True)
class Paging:
    """What a caller asks for: at most `limit` items after the key `after`."""

    after: str
    limit: int

    @property
    def fetch(self) -> int:
        """How many documents to scan: one more than asked for, to know whether there is a next page."""
        return self.limit + 1


def _paging(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items on a page.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=600, pattern="^[A-Za-z0-9_-]+$", description="`next` of the page before.")
    ] = None,
) -> Paging:
    return Paging(decode_cursor(cursor) if cursor else "", limit)


Paged = Annotated[Paging, Depends(_paging)]
"""A route's parameters `limit` and `cursor`."""


def page(
    documents: Sequence[Document], paging: Paging, view: Callable[[Document], T], request: Request, response: Response
) -> Page[T]:
    """The page of the documents that a scan of `paging.fetch` gave; sets the `Link` header where more follow."""
    shown = documents[: paging.limit]
    on_from = shown[-1].key if len(documents) > paging.limit else None
    return page_from([view(document) for document in shown], on_from, request, response)


def page_from(items: Sequence[T], on_from: str | None, request: Request, response: Response) -> Page[T]:
    """A page of these items; the next one begins behind the key `on_from`, None where there is none. Sets `Link`."""
    following = encode_cursor(on_from) if on_from else None
    if following:
        target = request.url.include_query_params(cursor=following)
        response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
    return Page(items=tuple(items), next=following)


def encode_cursor(key: str) -> str:
    """The cursor that stands behind a key."""
    return pybase64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """The key in front of a cursor; raises `CursorUnknown`."""
    try:
        key = pybase64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        key = ""
    if not key or encode_cursor(key) != cursor:
        raise CursorUnknown("Send `next` of the page before as it was given, or leave `cursor` out.")
    return key

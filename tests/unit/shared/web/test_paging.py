"""Lists come a page at a time, and versions guard changes."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from hypothesis import given
from hypothesis import strategies as st

from shared.settings import NodeSettings
from shared.store.port import Document
from shared.web.app import ApiSpec, make_app
from shared.web.command import View
from shared.web.conditional import etag, if_match, not_modified, require_match
from shared.web.paging import CursorUnknown, Page, Paged, decode_cursor, encode_cursor, page
from shared.web.strict import router

KEYS = [f"k{number:03}" for number in range(7)]


class Item(View):
    key: str


def listing() -> FastAPI:
    routes = router("list")

    @routes.get("/items")
    async def items(request: Request, response: Response, paging: Paged) -> Page[Item]:
        found = [Document(key, {}, 1) for key in KEYS if key > paging.after][: paging.fetch]
        return page(found, paging, lambda document: Item(key=document.key), request, response)

    @routes.get("/versions/{version}")
    async def version(request: Request, version: int) -> dict[str, Any]:
        require_match(if_match(request), version)
        return {}

    @routes.get("/cached")
    async def cached(request: Request) -> Response:
        return not_modified(request, etag(3)) or Response("whole", headers={"ETag": etag(3)})

    return make_app(ApiSpec(name="list", title="l", routers=[routes]), NodeSettings.load(node="ee"))


@pytest.fixture
def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(listing()), base_url="http://node")


async def test_following_the_links_shows_every_item_once(client: httpx2.AsyncClient) -> None:
    seen, address = [], "/items?limit=3"
    pages = 0
    while address:
        answer = await client.get(address)
        seen += [item["key"] for item in answer.json()["items"]]
        link = answer.headers.get("link", "")
        assert bool(link) == bool(answer.json()["next"])
        address = link.partition(">")[0].removeprefix("<")
        pages += 1
    assert seen == KEYS
    assert pages == 3


async def test_a_link_keeps_the_other_parameters_and_never_the_host(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/items?limit=2&noise=1", headers={"Host": "evil.example"})
    assert answer.headers["link"].startswith("</items?limit=2&noise=1&cursor=")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "cursor=!", "cursor=" + "a" * 601])
async def test_a_limit_or_cursor_out_of_form_is_a_422(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"/items?{query}")).status_code == 422


@pytest.mark.parametrize("cursor", ["a", "_w", "YR", "gICA"])
async def test_a_cursor_that_was_not_given_out_leads_nowhere(client: httpx2.AsyncClient, cursor: str) -> None:
    answer = await client.get(f"/items?cursor={cursor}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/cursor-unknown")


@given(st.text(min_size=1, max_size=80))
def test_a_cursor_stands_for_its_key(key: str) -> None:
    assert decode_cursor(encode_cursor(key)) == key


@given(st.text(alphabet="ABCXYZabcxyz0189_-", min_size=1, max_size=20))
def test_no_two_cursors_stand_for_one_key(cursor: str) -> None:
    try:
        key = decode_cursor(cursor)
    except CursorUnknown:
        return
    assert encode_cursor(key) == cursor


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 200), ("*", 200), ('"3"', 200), (' "3" ', 200), ('"2"', 412), ('"99999999999999"', 412)]
    + [(bad, 400) for bad in ("3", "", '"x"', 'W/"3"', '"3", "4"', '"0"', '"' + "9" * 30 + '"')],
)
async def test_a_change_needs_the_version_that_was_read(client: httpx2.AsyncClient, header: str | None, status: int) -> None:
    answer = await client.get("/versions/3", headers={} if header is None else {"If-Match": header})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 200), ('"3"', 304), ('W/"3"', 304), ('"1", "3"', 304), ("*", 304), ('"33"', 200), ("3", 200), ("", 200)],
)
async def test_what_the_caller_has_is_not_sent_again(client: httpx2.AsyncClient, header: str | None, status: int) -> None:
    answer = await client.get("/cached", headers={} if header is None else {"If-None-Match": header})
    assert answer.status_code == status
    assert answer.headers["etag"] == '"3"'
    assert answer.text == ("" if status == 304 else "whole")

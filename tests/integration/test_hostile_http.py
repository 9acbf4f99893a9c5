"""Hostile requests get a 4xx problem document that repeats nothing, and never a 500, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI, Path, Query

from shared.clock import Instant
from shared.settings import NodeSettings
from shared.web.app import ApiSpec, make_app
from shared.web.command import Command, View
from shared.web.server import http1
from shared.web.server.serve import serve
from shared.web.strict import router

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT = 256 * 1024
JSON = {"Content-Type": "application/json"}
GOOD = b'{"number":1,"when":"2026-11-23T20:19:00Z"}'


class RecordThing(Command):
    number: int
    when: Instant
    names: tuple[str, ...] = ()
    more: dict[str, Any] | None = None


class Thing(View):
    number: int
    when: Instant


def make_hostile_app() -> FastAPI:
    routes = router("things")

    @routes.post("/things", status_code=201)
    async def record(command: RecordThing) -> Thing:
        return Thing(number=command.number, when=command.when)

    @routes.get("/things/{ref}")
    async def read(ref: Annotated[str, Path(pattern="^[a-z]{3}$")], depth: Annotated[int, Query(ge=0, le=9)] = 0) -> Thing:
        raise RuntimeError(f"secret of {ref}")

    settings = NodeSettings.load(node="ee", log_level="error", anonymous_rate_burst=10_000)
    return make_app(ApiSpec(name="things", title="Things", routers=[routes]), settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with serve(make_hostile_app(), grace=1) as base:
        yield base


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        yield http


def require_problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("/problems/")
    assert document["title"]
    assert document["detail"]
    assert len(document["trace_id"]) == 32
    return document


UNREADABLE = {
    "NaN": b'{"number":NaN}',
    "Infinity": b'{"number":Infinity}',
    "minus infinity": b'{"number":-Infinity}',
    "a number that overflows": b'{"number":1e400}',
    "an integer beyond 2^53": b'{"number":9007199254740993}',
    "a million digits": b'{"number":' + b"1" * 100_000 + b"}",
    "a lone surrogate": b'{"names":["\\ud800"]}',
    "a duplicate member": b'{"number":1,"number":2,"when":"2026-11-23T20:19:00Z"}',
    "a duplicate member in disguise": b'{"number":1,"\\u006eumber":2,"when":"2026-11-23T20:19:00Z"}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"more":' + b'{"a":' * 60 + b"1" + b"}" * 61,
    "bytes that are not UTF-8": b'{"names":["\xff\xfe"]}',
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "trailing data": GOOD + b"{}",
    "half a document": GOOD[:-1],
    "single quotes": b"{'number':1}",
    "a control character": b'{"names":["\x00"]}',
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_json_that_two_readers_could_read_differently_is_a_400(client: httpx2.AsyncClient, what: str) -> None:
    require_problem(await client.post("/things", content=UNREADABLE[what], headers=JSON), 400)


RULE_BREAKING = {
    "true for an integer": b'{"number":true,"when":"2026-11-23T20:19:00Z"}',
    "a string for an integer": b'{"number":"1","when":"2026-11-23T20:19:00Z"}',
    "a float for an integer": b'{"number":1.5,"when":"2026-11-23T20:19:00Z"}',
    "a number for a time": b'{"number":1,"when":1795464000}',
    "a time without offset": b'{"number":1,"when":"2026-11-23T20:19:00"}',
    "an unknown member": GOOD[:-1] + b',"zebra<script>":1}',
    "a list for the command": b"[1]",
    "null for the command": b"null",
    "a string for the command": b'"zebra"',
    "nothing at all": b"",
    "an empty object": b"{}",
}


@pytest.mark.parametrize("what", RULE_BREAKING)
async def test_a_command_that_breaks_a_rule_is_a_422_with_faults(client: httpx2.AsyncClient, what: str) -> None:
    document = require_problem(await client.post("/things", content=RULE_BREAKING[what], headers=JSON), 422)
    assert document["faults"]
    assert "zebra" not in json.dumps(document)
    assert "script" not in json.dumps(document)


@pytest.mark.parametrize(
    "stated", [None, "", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", "json"]
)
async def test_another_content_type_is_a_415(client: httpx2.AsyncClient, stated: str | None) -> None:
    headers = {} if stated is None else {"Content-Type": stated}
    require_problem(await client.post("/things", content=GOOD, headers=headers), 415)


async def test_a_charset_beside_the_content_type_is_taken(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/things", content=GOOD, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 201
    assert answer.json() == {"number": 1, "when": "2026-11-23T20:19:00Z"}


ADDRESSES = {
    "/things/%00": 400,
    "/things/abc%0a": 400,
    "/things/%ff%fe": 400,
    "/things/%ed%a0%80": 400,
    "/things/abc?depth=%00": 400,
    "/things/abc?depth=%ff": 400,
    "/things/ABC": 404,
    "/things/abc%2f..%2f..": 404,
    "/things/abcd": 404,
    "/things/%zz": 404,
    "/nowhere": 404,
    "/things/abc?depth=x": 422,
    "/things/abc?depth=-1": 422,
    "/things/abc?depth=1e9": 422,
    "/things/abc?depth=" + "9" * 5000: 422,
}


@pytest.mark.parametrize("path", ADDRESSES, ids=lambda path: path[:32])
async def test_a_hostile_address_is_a_problem(url: str, path: str) -> None:
    status, head, body = await raw_exchange(url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status == ADDRESSES[path], body
    assert b"application/problem+json" in head


async def test_an_impossible_method_is_a_405_that_names_the_possible(client: httpx2.AsyncClient) -> None:
    answer = await client.delete("/things")
    require_problem(answer, 405)
    assert answer.headers["allow"] == "POST"


async def test_a_fault_of_ours_tells_nothing_but_its_trace(client: httpx2.AsyncClient) -> None:
    document = require_problem(await client.get("/things/abc"), 500)
    assert "secret" not in json.dumps(document)


async def test_a_declared_body_of_50_mb_is_refused_unread(url: str) -> None:
    head = f"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {50 * 2**20}\r\n\r\n"
    status, answer, body = await raw_exchange(url, head.encode())  # not a byte of the body is sent
    assert status == 413
    assert b"connection: close" in answer.lower()
    assert json.loads(body)["type"] == "/problems/body-too-large"


async def test_a_streamed_body_is_refused_as_soon_as_it_passes_the_limit(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answering = asyncio.ensure_future(reader.readline())
    sent = 0
    while not answering.done() and sent < 50 * 2**20:
        writer.write(chunk)
        sent += 65536
        await asyncio.wait([answering], timeout=0.02)
    assert b" 413 " in await answering
    assert sent < 5 * 2**20
    writer.close()


async def test_a_body_of_exactly_the_limit_is_read(client: httpx2.AsyncClient) -> None:
    padded = GOOD + b" " * (LIMIT - len(GOOD))
    assert (await client.post("/things", content=padded, headers=JSON)).status_code == 201
    require_problem(await client.post("/things", content=padded + b" ", headers=JSON), 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "abc", "5, 6"])
async def test_a_nonsensical_content_length_is_refused(url: str, length: str) -> None:
    head = f"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    status, answer, _ = await raw_exchange(url, head.encode() + GOOD)
    assert status in (400, 413)
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (http1.MAX_HEAD_BYTES + 1) + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * (http1.MAX_HEADERS + 1) + b"\r\n",
        b"GET /" + b"a" * (http1.MAX_HEAD_BYTES + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"a" * 1_000_000,
    ],
    ids=["long header", "many headers", "long address", "endless header"],
)
async def test_a_huge_head_is_a_431(url: str, head: bytes) -> None:
    status, answer, body = await raw_exchange(url, head)
    assert status == 431
    assert b"application/problem+json" in answer
    assert json.loads(body)["status"] == 431


async def test_a_head_that_drips_is_a_408(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "HEAD_SECONDS", 0.05)
    status, _, body = await raw_exchange(url, b"GET /healthz HTTP/1.1\r\nHost: ")
    assert status == 408
    assert json.loads(body)["type"] == "/problems/head-too-slow"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /things/\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["TLS", "bytes in the path", "unknown method", "unknown version", "smuggled length", "bad header", "connect"],
)
async def test_what_is_not_http_is_a_4xx(url: str, request_bytes: bytes) -> None:
    status, head, _ = await raw_exchange(url, request_bytes)
    assert 400 <= status < 500
    assert b"application/problem+json" in head


@pytest.mark.parametrize("traceparent", ["", "00-xyz", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "\xff" * 50])
async def test_a_malformed_traceparent_is_as_good_as_none(client: httpx2.AsyncClient, traceparent: str) -> None:
    answer = await client.get("/nowhere", headers={"traceparent": traceparent.encode("latin-1")})
    assert require_problem(answer, 404)["trace_id"] != "a" * 32


async def test_a_callers_trace_goes_on(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
    assert require_problem(answer, 404)["trace_id"] == "a" * 32


async def test_every_answer_carries_the_security_headers(client: httpx2.AsyncClient) -> None:
    for path in ("/healthz", "/nowhere", "/things/abc"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def raw_exchange(url: str, request: bytes) -> tuple[int, bytes, bytes]:
    """Send these very bytes; the answer's status, head and body."""
    reader, writer = await connect(url)
    writer.write(request)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head.split(b" ")[1]), head, await reader.readexactly(length)
    finally:
        writer.close()

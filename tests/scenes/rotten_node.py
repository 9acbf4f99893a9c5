"""What may stand at a neighbour's address: a server that answers every question with garbage, each time of another kind,
or a path to a real node, which is watched, or loses something on the way.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2

from shared.jose.token import encode

S = TypeVar("S", bound=ThreadingHTTPServer)

TEN_MEGABYTES = 10 * 1024 * 1024
EIGHT_MEGABYTES = 8 * 1024 * 1024
"""The largest page that is fetched to its end."""


def _from_beyond_time() -> str:
    """What looks like an entry of the neighbour's own, said in the year 10680."""
    header = {
        "typ": "testamur-entry+jwt", "alg": "ES256", "kid": "k", "fed": "testamur", "org": "lv", "epo": 1, "seq": 1,
        "top": "testamur.lv.status.v1", "jti": "j", "knd": "credential.revoked.v1", "sub": "s", "iat": 2**38 - 1,
    }  # fmt: skip
    return ".".join(encode(part).decode() for part in (json.dumps(header).encode(), b"{}", b"s" * 64))


def _page(*entries: object, **members: object) -> bytes:
    return json.dumps({"entries": entries, "next": 1, **members}).encode()


def _empty_page(filler: bytes) -> bytes:
    """A page without entries of eight megabytes: beside what belongs there, one thing again and again."""
    begin, end = b'{"entries":[],"next":0,"x":[', b"0]}"
    return begin + filler * ((EIGHT_MEGABYTES - len(begin) - len(end)) // len(filler)) + end


MUCH_OF_NOTHING = {
    "eight megabytes of objects": _empty_page(b'{"a":1}, '),
    "eight megabytes of lists": _empty_page(b"[], "),
    "eight megabytes of numbers": _empty_page(b"1, "),
    "eight megabytes of escapes": _empty_page(b'"\\u0061\\u0061\\u0061\\u0061", '),
    "eight megabytes of spaces": _empty_page(b" "),
}
"""Pages that were well-formed, empty, and cost whoever read them to their depth seconds."""

BODIES: dict[str, tuple[int, bytes]] = {
    "not json": (200, b"<html>It works!</html>"),
    "another shape": (200, b'{"entries": {"0": "eyJ"}}'),
    "a list": (200, b"[]"),
    "no tokens": (200, _page("nonsense", "", "a.b.c", "\u0000")),
    "numbers for entries": (200, _page(1, None)),
    "a time that cannot be written": (200, _page(_from_beyond_time())),
    "nothing, at once": (200, _page()),
    "unchanged": (304, b""),
    "ten megabytes": (200, b'{"entries": ["' + b"x" * TEN_MEGABYTES + b'"]}'),
    **{kind: (200, body) for kind, body in MUCH_OF_NOTHING.items()},
    "deep": (200, b"[" * 100_000),
    "no UTF-8": (200, b'{"entries": ["\xff\xfe"]}'),
    "an error": (500, b"{}"),
    "elsewhere": (302, b""),
}
KINDS = (*BODIES, "entries of another stream")


class Rotten(ThreadingHTTPServer):
    """The server; `served` is which kinds somebody was given, `asked` how often anybody asked."""

    daemon_threads = True

    def __init__(self, port: int, kinds: Sequence[str], entry: str) -> None:
        self.kinds = kinds
        self.turn = chain(kinds, repeat("nothing, at once"))
        self.bodies = {**BODIES, "entries of another stream": (200, _page(entry, entry))}
        self.served: set[str] = set()
        self.asked = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Answers)

    async def has_served_all(self) -> bool:
        """Whether each kind was given to somebody."""
        return self.served.issuperset(self.kinds)


class _Quiet(BaseHTTPRequestHandler):
    def answer(self, status: int, body: bytes, *, say_length: bool = True) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("location", "http://127.0.0.1:1/")
        if say_length:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the reader may have had enough
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


class _Answers(_Quiet):
    def do_GET(self) -> None:
        assert isinstance(self.server, Rotten)
        with self.server.lock:
            kind = next(self.server.turn)
            self.server.asked += 1
        status, body = self.server.bodies[kind]
        self.answer(status, body, say_length=kind != "ten megabytes")
        self.server.served.add(kind)


class Path(ThreadingHTTPServer):
    """A path to a real node. `asked` is what came by, in order: the stream of each page of a log that somebody wanted."""

    daemon_threads = True

    def __init__(self, port: int, real: str) -> None:
        self.real = real
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", port), _PassesOn)

    def passed_on(self, stream: str, body: bytes) -> bytes:
        """What becomes of a page on the way."""
        return body


class Lossy(Path):
    """A path on which the first entry of the first page of one stream is lost; later ones come whole."""

    def __init__(self, port: int, real: str, stream: str) -> None:
        self.stream = stream
        self.lost: list[str] = []
        super().__init__(port, real)

    def passed_on(self, stream: str, body: bytes) -> bytes:
        """The page, or what is left of it."""
        if stream != self.stream or self.lost or not (page := json.loads(body))["entries"]:
            return body
        self.lost.append(page["entries"].pop(0))
        return json.dumps(page).encode()


class _PassesOn(_Quiet):
    def do_GET(self) -> None:
        assert isinstance(self.server, Path)
        stream = urlsplit(self.path).path.rpartition("/")[2]
        self.server.asked.append(stream)
        token = {"authorization": self.headers["authorization"]}
        try:
            answer = httpx2.get(self.server.real + self.path, headers=token, timeout=60)
        except httpx2.HTTPError:
            return self.answer(502, b"")
        return self.answer(answer.status_code, self.server.passed_on(stream, answer.content))


@contextmanager
def rotten_neighbour(port: int, kinds: Sequence[str], entry: str) -> Iterator[Rotten]:
    """Serve garbage at a port; `entry` is an entry of somebody else's, to be served as if it belonged here."""
    with _serving(Rotten(port, kinds, entry)) as server:
        yield server


@contextmanager
def watched_path(port: int, real: str) -> Iterator[Path]:
    """Stand at a port for the real node at another address, and note what is asked of it."""
    with _serving(Path(port, real)) as server:
        yield server


@contextmanager
def lossy_path(port: int, real: str, stream: str) -> Iterator[Lossy]:
    """Stand at a port for the real node at another address, and lose one entry of a stream."""
    with _serving(Lossy(port, real, stream)) as server:
        yield server


@contextmanager
def _serving(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

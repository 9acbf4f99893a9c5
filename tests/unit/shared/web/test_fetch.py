"""A fetch goes only to where it may: https, public addresses, no redirects, bounded in size and time."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.errors import Misconfigured, TestamurError
from shared.telemetry import continue_from
from shared.web.outgoing.addresses import AllowList, is_public
from shared.web.outgoing.fetch import Fetcher, FetchFailed, FetchRefused
from shared.web.outgoing.outbound import Target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = ("127.0.0.0/8",)


def answering(raw: bytes, *, seen: list[bytes] | None = None) -> Handler:
    """A server that gives each request on a connection this very answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if seen is not None:
                    seen.append(head)
                writer.write(raw)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return handle


@asynccontextmanager
async def served(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nhi"


async def test_an_allowed_address_is_fetched_whole() -> None:
    async with served(answering(OK)) as port, Fetcher(LOOPBACK) as fetcher:
        answer = await fetcher.get(f"http://127.0.0.1:{port}/log?after=3", {"If-None-Match": '"7"'})
    assert (answer.status, answer.body, answer.headers["x-a"]) == (200, b"hi", "1, 2")


async def test_a_connection_is_kept_for_the_next_fetch() -> None:
    connections = 0
    answer = answering(OK)

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answer(reader, writer)

    async with served(counting) as port, Fetcher(LOOPBACK) as fetcher:
        for _ in range(3):
            await fetcher.get(f"http://127.0.0.1:{port}/")
    assert connections == 1


async def test_what_is_sent_names_the_host_declines_compression_and_carries_the_trace() -> None:
    seen: list[bytes] = []
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    async with served(answering(OK, seen=seen)) as port, Fetcher((f"node.example:{port}",), resolver=to_loopback) as fetcher:
        with continue_from(trace):
            await fetcher.post(f"http://node.example:{port}/hook?x=1", b"{}", {"Content-Type": "application/json"})
    head = seen[0].decode().lower()
    assert head.startswith("post /hook?x=1 http/1.1")
    for line in (f"host: node.example:{port}", "accept-encoding: identity", f"traceparent: {trace}", "content-length: 2"):
        assert line in head


async def to_loopback(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "0.0.0.0"])
async def test_an_address_inside_is_refused_before_a_connection(host: str) -> None:
    async with Fetcher() as fetcher:
        with pytest.raises(FetchRefused):
            await fetcher.get(f"https://{host}/")
        with pytest.raises(FetchRefused):
            await fetcher.check(f"https://{host}/")


async def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    async def mixed(host: str, port: int) -> Sequence[str]:
        return ["93.184.215.14", "127.0.0.1"]

    async with Fetcher(resolver=mixed) as fetcher:
        with pytest.raises(FetchRefused):
            await fetcher.get("https://node.example/")


async def test_a_name_that_moves_inside_after_it_was_checked_gains_nothing() -> None:
    answers = iter((["93.184.215.14"], ["127.0.0.1"]))

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    async with Fetcher(resolver=rebinding) as fetcher:
        await fetcher.check("https://node.example/")
        with pytest.raises(FetchRefused):
            await fetcher.get("https://node.example/")


async def test_a_name_is_resolved_once_for_a_connection_and_that_address_is_used() -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with served(answering(OK)) as port, Fetcher((f"node.example:{port}",), resolver=resolver) as fetcher:
        await fetcher.get(f"http://node.example:{port}/")
        await fetcher.get(f"http://node.example:{port}/")
    assert asked == ["node.example"]


async def test_plain_http_to_the_public_is_refused_even_where_a_network_is_allowed() -> None:
    async def public(host: str, port: int) -> Sequence[str]:
        return ["93.184.215.14"]

    for allow in ((), LOOPBACK):
        async with Fetcher(allow, resolver=public) as fetcher:
            with pytest.raises(FetchRefused):
                await fetcher.get("http://node.example/")


async def test_a_name_without_an_address_fails() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    async def nonsense(host: str, port: int) -> Sequence[str]:
        return ["somewhere"]

    for resolver in (unknown, nonsense):
        async with Fetcher(resolver=resolver) as fetcher:
            with pytest.raises(FetchFailed):
                await fetcher.get("https://node.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    seen: list[bytes] = []
    raw = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    async with served(answering(raw, seen=seen)) as port, Fetcher(LOOPBACK) as fetcher:
        with pytest.raises(FetchFailed, match="not followed"):
            await fetcher.get(f"http://127.0.0.1:{port}/")
    assert len(seen) == 1


async def test_a_304_is_an_answer() -> None:
    raw = b'HTTP/1.1 304 Not Modified\r\nETag: "7"\r\n\r\n'
    async with served(answering(raw)) as port, Fetcher(LOOPBACK) as fetcher:
        assert (await fetcher.get(f"http://127.0.0.1:{port}/")).status == 304


async def test_a_body_that_is_declared_too_large_is_not_read() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"
    async with served(answering(raw)) as port, Fetcher(LOOPBACK) as fetcher:
        with pytest.raises(FetchFailed, match="larger"):
            await fetcher.get(f"http://127.0.0.1:{port}/")


async def test_an_endless_body_is_cut_at_the_limit() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 500 * 2**20:
                writer.write(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                sent += 65536
                await writer.drain()
        except ConnectionError:
            pass

    async with served(endless) as port, Fetcher(LOOPBACK, max_bytes=100_000) as fetcher:
        with pytest.raises(FetchFailed, match="larger"):
            await fetcher.get(f"http://127.0.0.1:{port}/")
    assert sent < 50 * 2**20


async def test_a_body_that_drips_ends_at_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass

    async with served(drip) as port, Fetcher(LOOPBACK, timeout=0.2) as fetcher:
        with pytest.raises(FetchFailed, match="in time"):
            await fetcher.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        b"\x00\x01\x02 not http\r\n\r\n",
        b"",
    ],
    ids=["torn", "compressed", "not http", "silent"],
)
async def test_an_answer_that_cannot_be_taken_fails_with_a_sentence(raw: bytes) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async with served(once) as port, Fetcher(LOOPBACK) as fetcher:
        with pytest.raises(FetchFailed):
            await fetcher.get(f"http://127.0.0.1:{port}/")


async def test_the_certificate_must_be_the_names() -> None:
    server, client = certificate("node.example")
    async with served(answering(OK), tls=server) as port:
        allow = (f"node.example:{port}", f"other.example:{port}")
        async with Fetcher(allow, resolver=to_loopback, tls=client) as fetcher:
            assert (await fetcher.get(f"https://node.example:{port}/")).body == b"hi"
            with pytest.raises(FetchFailed):
                await fetcher.get(f"https://other.example:{port}/")
        async with Fetcher(allow, resolver=to_loopback) as stranger:
            with pytest.raises(FetchFailed):
                await stranger.get(f"https://node.example:{port}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "node.example",
        "//node.example/",
        "ftp://node.example/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user:secret@node.example/",
        "https://node.example/#part",
        "https://node.example:0/",
        "https://node.example:70000/",
        "https://node.example/a b",
        "https://node.example/\r\nX: y",
        "https://n\u00f6de.example/",
        "https://[::1%25eth0]/",
        "https://[::1",
        "https://node.example\\@127.0.0.1/",
        "https://node.example/" + "a" * 2048,
    ],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(FetchRefused):
        Target.of(url)


@given(st.text(max_size=60))
def test_any_text_is_read_as_a_url_or_refused(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            target = Target.of(url)
        except TestamurError:
            continue
        assert 0 < target.port < 65536
        assert target.host.isascii()
        assert "\n" not in target.path


PUBLIC = ("93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101", "2002:101:101::1")
INSIDE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", INSIDE)
def test_a_special_address_is_not_public_in_any_disguise(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("entry", ["localhost", "http://x:1", "10.0.0.0/33", ":80", "x:"])
def test_an_allow_list_entry_of_another_form_is_a_clear_error(entry: str) -> None:
    with pytest.raises(Misconfigured, match="TESTAMUR_FETCH_ALLOW"):
        AllowList((entry,))


def certificate(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for that name, and a client's that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_chain(server, pem + secret)
    return server, ssl.create_default_context(cadata=pem.decode())


def load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.pem"
        path.write_bytes(pem)
        context.load_cert_chain(path)

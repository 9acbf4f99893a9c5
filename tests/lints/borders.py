"""Rules of borders: what may be used in one place only, so that the place can be read, tested and replaced."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import NamedTuple

from tests.lints.source import Finding, Source, dotted

CLOCK = frozenset(
    {
        *(
            f"time.{name}"
            for name in ("time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "ctime", "strftime")
        ),
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today",
    }
)
"""What tells the time of day or how much of it passed."""

STOPWATCH = frozenset({"time.perf_counter", "time.perf_counter_ns", "time.process_time", "time.thread_time"})
"""What measures; only a benchmark does."""

_DECODERS = frozenset({"b64decode", "urlsafe_b64decode", "b64decode_as_bytearray", "a2b_base64"})
_CUTTERS = frozenset({"split", "rsplit", "partition", "rpartition"})
_PRINTERS = ("services/cli/*", "shared/telemetry/logs.py", "tests/*")
_DESERIALIZERS = frozenset({"value_deserializer", "key_deserializer"})


class Border(NamedTuple):
    """Modules that only some files of the product may import (patterns of paths), and the reason."""

    modules: tuple[str, ...]
    inside: tuple[str, ...]
    reason: str


TOKENS = (
    Border(
        ("jwcrypto",),
        ("shared/jose/*", "shared/keys/*", "shared/seals/*"),
        "tokens and keys are made and read by shared/jose, keys and seals",
    ),
    Border(
        ("jwt", "jose", "joserfc", "authlib", "itsdangerous"), (), "a signed token is read by shared/jose, by nothing else"
    ),
    Border(
        ("cryptography",),
        ("shared/jose/*", "shared/keys/*", "shared/seals/*", "services/issuer/credentials/encryption.py"),
        "signatures belong to shared/jose, keys and seals, the encryption of personal data to the issuer's sealing",
    ),
)
VENDORS = (
    Border(("aiokafka", "confluent_kafka", "kafka"), ("shared/bus/kafka/*",), "Kafka is known to its adapter only"),
    Border(("pymongo", "motor", "bson", "gridfs"), ("shared/store/mongo/*",), "MongoDB is known to its adapter only"),
    Border(
        ("sqlite3", "aiosqlite"),
        ("shared/sqlite/*", "shared/store/sqlite/*", "shared/bus/sqlite/*"),
        "SQLite is known to its adapters only",
    ),
)
OUTSIDE = (
    Border(
        ("httpx2", "requests", "urllib.request", "urllib3", "aiohttp", "http.client"),
        ("shared/web/outgoing/*", "services/cli/*", "shared/client.py"),
        "a service asks others by shared/web/outgoing/fetch.py only, which checks where it connects to",
    ),
)


def clock_is_asked_in_one_place(source: Source) -> Iterator[Finding]:
    """Nobody but shared/clock.py reads the clock; a benchmark may measure."""
    if source.path == "shared/clock.py":
        return
    forbidden = CLOCK if source.path.startswith("tests/bench/") else CLOCK | STOPWATCH
    for line, name in source.names:
        if name in forbidden:
            yield Finding(line, f"{name} reads the clock: take a shared.clock.Clock")


def tokens_are_read_in_one_place(source: Source) -> Iterator[Finding]:
    """Nobody but shared/jose verifies or decodes a signed token, by a library or by hand."""
    yield from _crossings(source, TOKENS)
    if source.is_product and not source.path.startswith(("shared/jose/", "shared/keys/", "shared/seals/")):
        for function in source.functions:
            called = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            if any(_cuts_at_dots(call) for call in called) and any(_name(call) in _DECODERS for call in called):
                yield Finding(function.lineno, f"{function.name} takes a token apart by hand: use shared.jose.gate")


def vendor_is_known_to_its_adapter(source: Source) -> Iterator[Finding]:
    """A vendor's library is imported in its adapter file only."""
    yield from _crossings(source, VENDORS)


def outgoing_http_has_one_door(source: Source) -> Iterator[Finding]:
    """Outgoing HTTP goes by shared/web/outgoing/fetch.py; the command line and the client talk to their own node."""
    yield from _crossings(source, OUTSIDE)


def print_is_for_the_command_line(source: Source) -> Iterator[Finding]:
    """Only the command line prints, and the log's own handler, where log lines end."""
    if not any(fnmatch(source.path, pattern) for pattern in _PRINTERS):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield Finding(node.lineno, "print belongs to services/cli: log it by shared.telemetry")


def consumer_takes_bytes(source: Source) -> Iterator[Finding]:
    """No deserialiser on a Kafka consumer: one that raises pins its partition for ever, so we parse bytes ourselves."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg in _DESERIALIZERS:
            yield Finding(node.value.lineno, f"{node.arg}: take bytes and parse them in the handler's reach")


def _crossings(source: Source, borders: tuple[Border, ...]) -> Iterator[Finding]:
    if not source.is_product:
        return
    for border in borders:
        if not any(fnmatch(source.path, pattern) for pattern in border.inside):
            for line, name in source.imports:
                if any(name == module or name.startswith(f"{module}.") for module in border.modules):
                    yield Finding(line, f"{name} is imported here: {border.reason}")


def _name(call: ast.Call) -> str:
    return dotted(call.func).rpartition(".")[2]


def _cuts_at_dots(call: ast.Call) -> bool:
    at = call.args[0] if call.args else None
    return _name(call) in _CUTTERS and isinstance(at, ast.Constant) and at.value in (".", b".")

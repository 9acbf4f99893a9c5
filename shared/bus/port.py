"""How events travel: the port, written against what SQLite, Kafka and a neighbour's log can all promise.

- A *topic* is one ordered, append-only sequence of records (one partition). An acknowledged record is durable.
- Delivery is at least once: a consumer that dies before `commit` sees the same records again, in the same order.
- Offsets rise by one from 1 as they are appended. What retention or compaction took leaves a gap that readers step over.
- The bus carries bytes. It parses nothing, believes nothing, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.errors import Unavailable

Headers = tuple[tuple[str, bytes], ...]


class BusUnavailable(Unavailable):
    """The bus does not answer; nothing was acknowledged."""

    title = "The event bus does not answer."


class Message(NamedTuple):
    """What a producer hands over: an unsigned key for ordering tools, the exact value bytes, headers as (name, bytes)."""

    key: str
    value: bytes
    headers: Headers


class Record(NamedTuple):
    """What a consumer receives: where it stood on the topic, and the bytes as they were handed over."""

    topic: str
    offset: int
    key: str
    value: bytes
    headers: Headers


class Consumer(Protocol):
    """A named reader with durable positions, one a topic."""

    def follow(self, topics: Sequence[str]) -> None:
        """Read these topics from now on, the first named first; a topic that does not exist yet is simply empty."""
        ...

    async def poll(self, limit: int, wait: float) -> list[Record]:
        """Up to `limit` next records. Of what is at hand, topics named earlier are drained first; one topic's records come
        in order. Waits at most `wait` seconds for the first one, and returns an empty list when none came; with 0 it may do
        so although some are on their way.
        """
        ...

    async def commit(self, offsets: Mapping[str, int]) -> None:
        """Say that everything up to and including these offsets is done with."""
        ...

    async def seek(self, topic: str, offset: int) -> None:
        """Read on after `offset` (0: from the start), whatever was polled or committed before."""
        ...

    async def lag(self) -> dict[str, int]:
        """Per topic, how many records lie behind the committed position and can still be read."""
        ...

    async def close(self) -> None:
        """Stop reading; positions stay."""
        ...


class Bus(Protocol):
    """One node's bus."""

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in this order and return the last one's offset once all are durable. If it fails, some may be there."""
        ...

    async def end(self, topic: str) -> int:
        """The last offset of a topic, 0 when it never had a record."""
        ...

    def consumer(self, name: str) -> Consumer:
        """A reader of that name; two at once of one name would steal from each other and are refused by lease above."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of files and sockets."""
        ...

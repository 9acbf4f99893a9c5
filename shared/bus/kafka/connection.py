"""One client of a Kafka cluster that opens with the first question and heals by itself.

- Whatever fails ends the connection, and the next question makes a new one from the URL: a cluster whose brokers
  moved is found again.
- One broker of several that is gone is no failure: a question that went to it is asked again, of another that is
  there, until the cluster has put others in its place.
- Every question ends within `ANSWER_SECONDS`, with its answer or with `BusUnavailable`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn

from shared.bus.kafka.errors import FAILURES, NO_CONNECTION, more_telling, sentence
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import BusUnavailable
from shared.errors import TestamurError
from shared.tasks.supervised import ended

T = TypeVar("T")

REQUEST_MS = 8_000
"""One request: longer than a broker's pause, shorter than anybody's patience."""

ANSWER_SECONDS = 12.0
"""Seconds for one call with its retries, so that nothing above waits on a cluster that is gone."""

SEVERAL_BROKERS = 2
"""So many brokers are a cluster in which others may do what one cannot."""

PAUSE_SECONDS = 0.1
"""Seconds between tries while a leader or a coordinator is being found."""

GOODBYE_SECONDS = 2.0
"""Seconds for a client to end by itself before it is dropped, and for finding out why there was no connection."""

# every failure comes up as an error of ours, with words; the library's own lines, some with tracebacks, say it again
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class Connection:
    """What a bus asks its cluster by; not for reading, since a broker answers one connection's requests in turn."""

    def __init__(self, url: KafkaUrl) -> None:
        self.settings: dict[str, Any] = {**url.aiokafka(), "request_timeout_ms": REQUEST_MS, "client_id": "testamur"}
        """What every client of this cluster is made with."""
        self._where = url.bootstrap
        self._client: AIOKafkaClient | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    def check_open(self) -> None:
        """Raise `BusUnavailable` once the bus is closed."""
        if self._closed:
            raise BusUnavailable("This bus was closed. Open it again.")

    async def ask(self, question: Callable[[AIOKafkaClient], Awaitable[T]]) -> T:
        """Ask until there is an answer. What may heal at once is asked again; so is what failed for a connection that was
        open before, since it may have been lost long ago. When time runs out, what was said last explains more than that.
        """
        last: BaseException | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    self.check_open()
                    fresh = self._client is None
                    client = await self._connected()
                    try:
                        return await question(client)
                    except NO_CONNECTION as error:
                        await self._drop(client)
                        if fresh:
                            if len(client.cluster.brokers()) < SEVERAL_BROKERS:
                                raise
                            last = error
                            await asyncio.sleep(PAUSE_SECONDS)
                    except kafka.KafkaError as error:
                        if not error.retriable:
                            raise
                        last = error
                        await asyncio.sleep(PAUSE_SECONDS)
        except FAILURES as error:
            await self._drop(self._client)
            told = last if last is not None and isinstance(error, TimeoutError) else error
            raise await self.reason(told) from error

    async def reason(self, error: BaseException) -> TestamurError:
        """The sentence for a failure. For lack of a connection it is tried once more: the library does not say why."""
        if isinstance(error, kafka.KafkaConnectionError | kafka.NodeNotReadyError):
            error = await self._probe() or error
        return sentence(error, self._where)

    async def close(self) -> None:
        """Let go of the connection; every later question is answered with `BusUnavailable`."""
        self._closed = True
        await self._drop(self._client)

    async def _connected(self) -> AIOKafkaClient:
        async with self._opening:
            if self._client is None:
                client = AIOKafkaClient(**self.settings)
                try:
                    await client.bootstrap()
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    async def _drop(self, client: Any) -> None:
        if client is not self._client or client is None:
            return
        self._client = None
        await let_go(client.close(), client)

    async def _probe(self) -> BaseException | None:
        """Connect to each broker of the URL until one answers; what kept us out, or None."""
        said = {name: value for name, value in self.settings.items() if name != "bootstrap_servers"}
        errors: list[BaseException] = []
        for host, port, _ in collect_hosts(self.settings["bootstrap_servers"]):
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    connection = await create_conn(host, port, **said)
            except FAILURES as error:
                errors.append(error)
            else:
                connection.close()
                return None
        return more_telling(errors)


async def let_go(ending: Coroutine[Any, Any, None], client: AIOKafkaClient) -> None:
    """Let a client end by itself for a moment, then close its connections. Whatever that raises is of no interest any more:
    the library cancels its own tasks in ways that would look like our being cancelled, so it does so in a task of its own.
    """
    for step in (ending, client.close()):
        task = asyncio.ensure_future(step)
        await asyncio.wait({task}, timeout=GOODBYE_SECONDS)
        await ended((task,))

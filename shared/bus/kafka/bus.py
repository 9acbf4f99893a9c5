"""The bus on Kafka: an idempotent producer, consumers by lease, offsets one higher than Kafka's own.

Opening it never waits for a broker: what needs one that is not there raises `BusUnavailable`, and works once it is.
Read kafka_url.py, kafka_connection.py and kafka_cluster.py (asking), kafka_producer.py (writing), kafka_reader.py and
kafka_consumer.py (reading).
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.bus.kafka.cluster import Cluster
from shared.bus.kafka.consumer import KafkaConsumer
from shared.bus.kafka.producer import Producer
from shared.bus.kafka.url import KafkaUrl
from shared.bus.port import Message


class KafkaBus:
    """`Bus` on one cluster; several of them, in one process or more, may share it."""

    def __init__(self, url: KafkaUrl) -> None:
        self._cluster = Cluster(url)
        self._producer = Producer(self._cluster)
        self._consumers: list[KafkaConsumer] = []

    async def append(self, topic: str, messages: Sequence[Message]) -> int:
        """Append in this order; the last one's offset once all are on every copy in step."""
        if not messages:
            return await self.end(topic)
        return await self._producer.append(topic, messages)

    async def end(self, topic: str) -> int:
        """The last offset of a topic, 0 when it never had one."""
        bounds = await self._cluster.bounds([topic])
        return bounds[topic][1] if topic in bounds else 0

    def consumer(self, name: str) -> KafkaConsumer:
        """A reader of that name, which is its group; it follows nothing yet."""
        consumer = KafkaConsumer(self._cluster, name)
        self._consumers = [*(one for one in self._consumers if not one.closed), consumer]
        return consumer

    async def close(self) -> None:
        """Finish what is under way and let go of all connections. Closing twice is harmless."""
        await self._producer.close()
        for consumer in self._consumers:
            await consumer.close()
        await self._cluster.connection.close()


async def open_kafka(url: str) -> KafkaBus:
    """The cluster that the URL names; `Misconfigured` for a fault of the URL alone."""
    return KafkaBus(KafkaUrl.parse(url))

"""MirrorMaker 2 in dedicated mode, from the text of its properties file."""

from __future__ import annotations

from tests.engines import containers
from tests.engines.broker import HEAP, JVM, java
from tests.engines.engine import Engine
from tests.engines.process import Process
from tests.engines.run import RUN

_FILE = "/etc/kafka/mirror.properties"


class MirrorMaker(Engine):
    """A mirror. It is ready when it runs: what it carries arrives some seconds after its first start."""

    kind = "MirrorMaker"


def mirror_maker(form: str, properties: str) -> MirrorMaker:
    """A mirror, not started yet. Its brokers are at addresses of 127.0.0.1, so a container of it has the host's network."""
    if form == "process":
        folder = RUN.folder("mirror")
        settings = folder / "mirror.properties"
        settings.write_text(properties)
        return MirrorMaker(
            Process(java("org.apache.kafka.connect.mirror.MirrorMaker", str(settings), folder=folder), folder)
        )
    env = {"KAFKA_HEAP_OPTS": HEAP, "KAFKA_JVM_PERFORMANCE_OPTS": JVM}
    body = containers.Container(containers.KAFKA_IMAGE, [], ["/opt/kafka/bin/connect-mirror-maker.sh", _FILE], env)
    body.hold(_FILE, properties)
    return MirrorMaker(body)

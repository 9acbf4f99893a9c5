"""An engine as a container, by testcontainers, under the official image's name.

Two kinds of Docker engine: an ordinary one, where ports are published on 127.0.0.1, and one that has no network but the
host's (known by its missing `bridge`), where a container listens on 127.0.0.1 itself. The port inside is the port outside
in both, so that an engine that is started again, and a replica set that names its member, keep their address. Images are
used as they are here: a test pulls nothing (`make engines` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tests.engines.body import EngineFailed, PortTaken
from tests.engines.run import LABEL, RUN, is_over

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE = "apache/kafka:4.3.1"
MONGO_IMAGE = "mongo:8.2"
IMAGES = {"Kafka": KAFKA_IMAGE, "MirrorMaker": KAFKA_IMAGE, "MongoDB": MONGO_IMAGE}
"""By engine."""
_ANSWER_S = 5
_PATIENCE_S = 10


@lru_cache
def why_no_docker() -> str:
    """Why no container can be started here; empty when one can. Removes the containers of runs that are over."""
    import docker  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    try:
        client = docker.from_env(timeout=_ANSWER_S)
        client.ping()
        if not client.api.base_url.startswith(("http+docker", "http+unix", "npipe")):
            return "the Docker engine is on another machine, and the tests speak to 127.0.0.1"
    except DockerException:
        return "no Docker engine answers"
    with suppress(DockerException):  # another run may be sweeping as well
        for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
            if is_over(container.labels[LABEL]):
                container.remove(force=True, v=True)
    return ""


@lru_cache
def why_not(image: str) -> str:
    """Why an image cannot be started here; empty when it can."""
    import docker
    from docker.errors import ImageNotFound

    if reason := why_no_docker():
        return reason
    try:
        docker.from_env().images.get(image)
    except ImageNotFound:
        return f"the image {image} is not here (make engines)"
    return ""


@lru_cache
def has_host_network_only() -> bool:
    """Whether the engine has no network of its own to publish ports from."""
    import docker

    return not docker.from_env().networks.list(names=["bridge"])


def listen_address() -> str:
    """Where an engine in a container has to listen."""
    return "127.0.0.1" if has_host_network_only() else "0.0.0.0"


class Container:
    """One container. What it keeps is in its own layers and volumes, and goes with it."""

    form = "docker"

    def __init__(
        self, image: str, ports: Sequence[int], command: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self._container = _described(image, ports, command, env or {})
        self._made = False

    def hold(self, path: str, content: str, mode: int = 0o644) -> None:
        """Put a file into it before its first start."""
        self._container.with_copy_into_container(content.encode(), path, mode)

    @property
    def id(self) -> str:
        """The container's id."""
        return self._container.get_container_id()

    def start(self) -> None:
        """Create and start it, or start it again."""
        if self._made:
            self._wrapped.start()
            return
        from docker.errors import APIError

        try:
            self._container.start()
        except APIError as refused:
            raise (PortTaken if "port is already allocated" in str(refused) else EngineFailed)(str(refused)) from refused
        finally:
            self._made = self._wrapped is not None

    def kill(self) -> None:
        """SIGKILL, and wait. A container that stands still goes on first: some engines refuse to signal it."""
        if self.is_alive():
            self.resume()
            self._wrapped.kill("SIGKILL")
            self._wrapped.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after a while."""
        if self.is_alive():
            self._wrapped.stop(timeout=_PATIENCE_S)

    def pause(self) -> None:
        """Freeze it."""
        self._wrapped.pause()

    def resume(self) -> None:
        """Thaw it, if it is frozen."""
        self._wrapped.reload()
        if self._wrapped.status == "paused":
            self._wrapped.unpause()

    def discard(self) -> None:
        """Remove it with its volumes."""
        if self._made:
            self._container.stop(force=True, delete_volume=True)
            self._made = False

    def is_alive(self) -> bool:
        """Whether its process runs."""
        if not self._made:
            return False
        self._wrapped.reload()
        return self._wrapped.status in ("running", "paused")

    def log(self) -> str:
        """Its output of all its starts."""
        return self._wrapped.logs().decode(errors="replace") if self._made else ""

    @property
    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()


def _described(image: str, ports: Sequence[int], command: Sequence[str], env: Mapping[str, str]) -> DockerContainer:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # its reaper is one more image; ours is a process (reaper.py)
    labels = {LABEL: RUN.name}
    if has_host_network_only() or not ports:
        described = DockerContainer(image, network_mode="host", labels=labels)
    else:
        described = DockerContainer(image, labels=labels)
        described.ports.update({f"{port}/tcp": ("127.0.0.1", port) for port in ports})  # type: ignore[misc]
    return described.with_envs(**env).with_command(list(command) or None)  # type: ignore[arg-type]

"""Waits beside a run of the tests and, when that was killed, removes its containers and its folder.

Started with a pipe as its input, which closes when the run's process ends, in whatever way; a run that ends well says so
first. It needs nothing of this package, so that it starts at once: `python reaper.py LABEL RUN FOLDER`.
"""

from __future__ import annotations

import shutil
import sys
import time

SETTLE_S = 0.5
"""Processes of a killed run may write into its folder for a moment longer."""


def remove_containers(label: str, name: str) -> None:
    """Remove every container of the run, with its volumes; nothing to do where no Docker engine answers."""
    import docker  # type: ignore[import-untyped]
    from docker.errors import DockerException  # type: ignore[import-untyped]

    try:
        client = docker.from_env()
        for container in client.containers.list(all=True, filters={"label": f"{label}={name}"}, ignore_removed=True):
            container.remove(force=True, v=True)
    except DockerException:
        return


if __name__ == "__main__":
    if sys.stdin.read() != "done":
        time.sleep(SETTLE_S)
        shutil.rmtree(sys.argv[3], ignore_errors=True)
        remove_containers(sys.argv[1], sys.argv[2])

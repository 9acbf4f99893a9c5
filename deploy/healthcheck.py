"""Whether a service in this container is alive: exit code 0 when it answers, 1 when it does not.

    python -I healthcheck.py registry        asks /registry/healthz;  without a name the whole node's /healthz

It asks at TESTAMUR_PORT of this machine. Alive is not ready: a service that waits for its broker is alive, goes on taking
requests, and says what it waits for at /readyz.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection

PATIENCE = 3.0
"""Seconds for the answer; less than the time after which the engine ends this process."""


def is_alive(service: str) -> bool:
    """Whether the service answers its health question with 200."""
    everywhere = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
    host = os.environ.get("TESTAMUR_HOST", "")
    place = "127.0.0.1" if host in everywhere else host
    connection = HTTPConnection(place, int(os.environ.get("TESTAMUR_PORT", "8400")), timeout=PATIENCE)
    try:
        connection.request("GET", f"/{service}/healthz" if service else "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_alive("".join(sys.argv[1:])) else 1)

"""Loopback ports for engines: free, and outside the range from which the kernel takes ports for outgoing connections.

Inside that range a client that keeps knocking at a killed engine may be given the engine's own port, and the engine
cannot come back.
"""

from __future__ import annotations

import secrets
import socket
import threading
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _USUAL_END = 10_000, 32_768
_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, given once a run. Another process may still take it: start again then."""
    highest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUAL_END
    candidates = range(_LOWEST, max(highest, _LOWEST + 1_000))
    with _lock:
        for _ in range(1_000):
            port = secrets.choice(candidates)
            if port not in _given and _is_free(port):
                _given.add(port)
                return port
    raise RuntimeError("no free port was found on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

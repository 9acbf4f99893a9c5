"""Serve an app from inside a running event loop: the node, the demo and the tests all serve this way.

The app's lifespan surrounds the server: what it opens is open before the first request and closed after the last. Signals
are the caller's matter. At the end no new connection is taken, requests under way may finish for `grace` seconds, and only
then does the lifespan end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from shared.errors import Misconfigured
from shared.web.server.http1 import BoundedProtocol

GRACE = 5.0
"""Seconds that requests under way may take to finish when the server ends."""
KEEP_ALIVE = 65
"""Seconds that an idle connection is kept, longer than our own clients keep theirs."""


@asynccontextmanager
async def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    trusted_proxies: Sequence[str] = (),
    grace: float = GRACE,
) -> AsyncIterator[str]:
    """Serve while the block runs, and give the base URL. Port 0 takes a free one. Raises `Misconfigured`."""
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    try:
        async with app.router.lifespan_context(app), _running(config, listening):
            yield _url(listening)
    finally:
        listening.close()


@asynccontextmanager
async def _running(config: uvicorn.Config, listening: socket.socket) -> AsyncIterator[None]:
    """A uvicorn server without its own signal handlers and without its own lifespan."""
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio turns Nagle's delay off only where it is: 40 ms an answer otherwise
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        return listening
    except (OSError, OverflowError) as error:
        listening.close()
        text = f"Cannot listen at {host} port {port}: something does already, perhaps this node. Or choose another: --port."
        raise Misconfigured(text) from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

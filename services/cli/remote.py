"""The node that a command talks to: its address, and a token that it takes.

- Address: `--url`, else `TESTAMUR_URL`, else that of the node whose folder is at hand, else this machine's port 8400.
- Token: `--token`, else `TESTAMUR_TOKEN`, else one made with the key of the node whose folder is at hand. Such a token goes
  to that node's own address and to this machine only, never to a stranger's.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from services.cli import local
from shared.errors import Misconfigured
from testamur import Client

Url = Annotated[str | None, typer.Option("--url", envvar="TESTAMUR_URL", help="The node's address.")]
Token = Annotated[str | None, typer.Option("--token", envvar="TESTAMUR_TOKEN", help="An access token.", show_envvar=True)]

DEFAULT_URL = "http://127.0.0.1:8400"
"""Where an embedded node listens unless told otherwise."""

SERVICES = ("issuer", "registry", "verifier", "notifier")
"""The four services, by the first step of their path."""

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def connect(url: str | None, token: str | None) -> Client:
    """A client for the node that is meant; it connects with the first request."""
    here = local.at_hand()
    if here is None and url is None:
        local.refuse_to_choose()
    own = local.address(here) if here else None
    chosen = url or own or DEFAULT_URL
    hostname = _hostname(chosen)
    if token is None and here and (chosen == own or hostname in _THIS_MACHINE):
        token = local.access_token(here)
    if token and not (token.isascii() and token.isprintable()):
        raise Misconfigured(
            "The access token has characters that no token has. Copy it again, as `testamur token` printed it."
        )
    return Client(chosen, token)


def _hostname(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("The node's address is no URL. Write it as http://127.0.0.1:8400 with --url or TESTAMUR_URL.")
    return parts.hostname

"""The node that a command talks to: its address, and a token that it takes.

- Address: `--url`, else `TESTAMUR_URL`, else that of the node whose folder is at hand, else this machine's port 8400.
  Services that run in processes of their own are written `registry=http://10.0.0.1:8401,issuer=http://10.0.0.2:8402`.
- Token: `--token`, else `TESTAMUR_TOKEN`, else one made with the key of the node whose folder is at hand. Such a token goes
  to that node's own address, to services named beside it, and to this machine, never to a stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import typer

from services.cli import local
from shared.client import SERVICES, Client, addresses
from shared.errors import Misconfigured

__all__ = ["DEFAULT_URL", "SERVICES", "Token", "Url", "connect"]

Url = Annotated[str | None, typer.Option("--url", envvar="TESTAMUR_URL", help="The node's address, or each service's.")]
Token = Annotated[str | None, typer.Option("--token", envvar="TESTAMUR_TOKEN", help="An access token.", show_envvar=True)]

DEFAULT_URL = "http://127.0.0.1:8400"
"""Where an embedded node listens unless told otherwise."""

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def connect(url: str | None, token: str | None) -> Client:
    """A client for the node that is meant; it connects with the first request."""
    here = local.at_hand()
    if here is None and url is None:
        local.refuse_to_choose()
    own = local.address(here) if here else None
    chosen = url or own or DEFAULT_URL
    named = addresses(chosen)
    hostnames = {_hostname(address) for address in named.values()}
    if token is None and here and (_is_beside(named, own) or hostnames <= _THIS_MACHINE):
        token = local.access_token(here)
    if token and not (token.isascii() and token.isprintable()):
        raise Misconfigured(
            "The access token has characters that no token has. Copy it again, as `testamur token` printed it."
        )
    return Client(chosen, token)


def _is_beside(named: Mapping[str, str], own: str | None) -> bool:
    """Whether these are the addresses of the node whose folder is at hand: its registry is the listed one."""
    return own is not None and named.get("registry") == own.rstrip("/")


def _hostname(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured("The node's address is no URL. Write it as http://127.0.0.1:8400 with --url or TESTAMUR_URL.")
    return parts.hostname

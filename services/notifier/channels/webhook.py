"""One webhook, signed and sent as Standard Webhooks 1.0 says.

- Signed content is `id.timestamp.body`; HMAC-SHA256, `v1,` and base64 ("Signature scheme"); a secret is 32 random bytes,
  `whsec_` and base64.
- Headers `webhook-id` (the same at every attempt), `webhook-timestamp` (of this attempt), `webhook-signature` (one for each
  secret that is in force, so that a secret can be replaced without a gap).
- 2xx is success, anything else a failure; redirects are not followed; 410 asks to be left alone; `Retry-After` is heeded.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

import pybase64
from standardwebhooks import Webhook

from shared.clock import Clock
from shared.errors import TestamurError
from shared.web.outgoing.fetch import Fetched, Fetcher

SECRET_BYTES = 32
"""Between 24 and 64 by the scheme."""

MAX_ANSWER_BYTES = 1024 * 1024
"""A receiver's answer is read up to here and thrown away."""


class Attempt(NamedTuple):
    """The outcome of one attempt: a status, or the slug of the error that prevented one."""

    at: datetime
    status: int | None
    error: str | None
    milliseconds: int
    retry_after: int | None = None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more."""
        return self.status == HTTPStatus.GONE


def new_secret() -> str:
    """A fresh signing secret."""
    return "whsec_" + pybase64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(message: str, at: datetime, body: str, secrets_in_force: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt."""
    signatures = [Webhook(secret).sign(message, at, body) for secret in secrets_in_force]
    return {
        "Content-Type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


async def send(
    fetcher: Fetcher,
    clock: Clock,
    *,
    url: str,
    message: str,
    body: str,
    secrets_in_force: Sequence[str],
    seconds: float,
) -> Attempt:
    """Send it once, waiting at most `seconds`. What the receiver does never raises: it is in the `Attempt`."""
    at, began = clock.now(), clock.monotonic()
    headers = signed_headers(message, at, body, secrets_in_force)
    status, error, retry_after = None, None, None
    try:
        answer = await fetcher.post(url, body.encode(), headers, timeout=seconds, max_bytes=MAX_ANSWER_BYTES)
        status, retry_after = answer.status, _retry_after(answer)
    except TestamurError as failure:
        error = failure.slug()
    return Attempt(
        at=at,
        status=status,
        error=error,
        milliseconds=round((clock.monotonic() - began) * 1000),
        retry_after=retry_after,
    )


def _retry_after(answer: Fetched) -> int | None:
    """`Retry-After` where it is a number of seconds (RFC 9110, 10.2.3); its other form, a date, is left to our schedule."""
    value = answer.headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 9 else None

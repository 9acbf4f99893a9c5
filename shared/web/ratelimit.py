"""Rate limits: one token bucket a caller, in memory of bounded size.

A bucket holds `burst` tokens and is refilled at `rate` a second; a request takes one. An empty bucket is 429 with
`Retry-After` (RFC 6585, 4). A caller is a token's issuer and subject; without a token that holds, the network address
(an IPv6 address counts by its /64, which one household or machine owns whole). Limits are per process.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from fastapi import Request

from shared.clock import Clock
from shared.errors import TooManyRequests
from shared.settings import NodeSettings

CAPACITY = 20_000
"""Callers remembered at once; the one that was silent longest is forgotten first, and so starts with a full bucket."""


class _Bucket(NamedTuple):
    tokens: float
    filled: float


class Limiter:
    """Token buckets of one rate, by caller."""

    def __init__(self, rate: float, burst: int, clock: Clock, capacity: int = CAPACITY) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._capacity = capacity
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> None:
        """Take one token of this caller's, or raise `TooManyRequests` with the seconds until there is one."""
        now = self._clock.monotonic()
        tokens, filled = self._buckets.pop(caller, _Bucket(self._burst, now))
        tokens = min(self._burst, tokens + (now - filled) * self._rate)
        self._buckets[caller] = _Bucket(tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        if tokens < 1:
            wait = max(1, math.ceil((1 - tokens) / self._rate))
            raise TooManyRequests("Wait as long as Retry-After says, then send it again.", retry_after=wait)

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._buckets)


@dataclass(frozen=True, slots=True)
class Limiters:
    """The two limits of a service: for callers with a token, and for anybody."""

    callers: Limiter
    anonymous: Limiter

    @classmethod
    def of(cls, settings: NodeSettings, clock: Clock) -> Limiters:
        """The limits that the settings say."""
        return cls(
            Limiter(settings.rate_per_second, settings.rate_burst, clock),
            Limiter(settings.anonymous_rate_per_second, settings.anonymous_rate_burst, clock),
        )


async def metered(request: Request) -> None:
    """A dependency for routes that need no token: limits by network address."""
    limiters: Limiters = request.app.state.limiters
    limiters.anonymous.take(address_of(request))


def address_of(request: Request) -> str:
    """The network that a request came from: an IPv4 address, an IPv6 /64, or `unknown`."""
    host = request.client.host if request.client else "unknown"
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host)
    except AddressValueError:
        return "unknown"
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))

"""Which addresses the product may connect to: only what the whole internet can reach, unless an allow-list says more.

- An address must be global unicast (IANA special-purpose registries, RFC 6890): not loopback, private, link-local, shared,
  multicast, reserved or unspecified. So a URL that somebody gave us cannot reach into the network we stand in.
- An IPv6 address that carries an IPv4 one is judged by both: IPv4-mapped and -compatible (RFC 4291, 2.5.5), NAT64
  (RFC 6052, 2.1; RFC 8215), 6to4 (RFC 3056); Teredo (RFC 4380) and the relay anycast of 6to4 (RFC 7526) are refused.
- A name counts only if every address it has passes.
- An allow-list entry is `host:port` (that name and port, wherever it leads, also by plain http) or a network in CIDR form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from shared.errors import Misconfigured

Address = IPv4Address | IPv6Address

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_REFUSED = (IPv4Network("192.88.99.0/24"), IPv4Network("192.0.0.0/24"), IPv6Network("2001::/32"))


def is_public(address: Address) -> bool:
    """Whether an address is global unicast, together with every address that it carries inside."""
    if isinstance(address, IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address.is_site_local:
            return False
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if any(address in network for network in _NAT64) or address in _COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class AllowList:
    """Development's exceptions. Raises `Misconfigured` for an entry that is neither `host:port` nor a network."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._hosts: set[tuple[str, int]] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry))
            return
        except ValueError:
            host, _, port = entry.rpartition(":")
        if not _HOST.fullmatch(host) or not port.isdecimal():
            raise Misconfigured("TESTAMUR_FETCH_ALLOW has an entry that is neither host:port nor a network. Correct it.")
        self._hosts.add((host.strip("[]").lower(), int(port)))

    def may_permit_plain(self, host: str, port: int) -> bool:
        """Whether plain http to this host is worth resolving it: the list names it, or has networks it may lie in."""
        return (host, port) in self._hosts or bool(self._networks)

    def permits(self, host: str, port: int, addresses: Sequence[Address], *, plain: bool) -> bool:
        """Whether all addresses of a host may be connected to; by `plain` http only what the list itself allows."""
        if (host, port) in self._hosts:
            return True
        return all(self._holds(address) or (not plain and is_public(address)) for address in addresses)

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)


def parse(text: str) -> Address | None:
    """An address from a resolver's answer, or None when it is not one."""
    try:
        return ip_address(text)
    except ValueError:
        return None

"""The address that a request comes from.

Behind a proxy every connection comes from the proxy. It names its peer in ``X-Forwarded-For``,
behind what that peer itself may have written there. So the header counts only on connections of
proxies that ``--trust-proxy`` names, and is read from its right end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

UNKNOWN = "unknown"
"""The address of a peer that has none, such as one of a socket that has been closed already."""

MOST_HOPS = 32
"""Addresses that are looked at in one header: no chain of trusted proxies is as long."""


@dataclass(frozen=True)
class Proxies:
    """The networks whose hosts are proxies that say the truth."""

    networks: tuple[str, ...] = ()

    def are_trusted(self, address: str) -> bool:
        """Whether a host with this address is such a proxy."""
        found = _parsed(address)
        return found is not None and any(found in ip_network(one) for one in self.networks)

    def origin_of(self, address: str, forwarded: Sequence[str]) -> str:
        """Return who sent a request that came from ``address``.

        ``forwarded`` are the addresses of ``X-Forwarded-For``. The right-most one that is no
        trusted proxy counts; what is no address there ends the search.
        """
        if not self.networks or not self.are_trusted(address):
            return address
        for text in reversed(forwarded[-MOST_HOPS:]):
            found = _parsed(_without_port(text))
            if found is None:
                break
            address = str(found)
            if not self.are_trusted(address):
                break
        return address


def neighbourhood(address: str) -> str:
    """Return what stands for a peer: its IPv4 address, or the /64 network of its IPv6 address.

    Whoever has one IPv6 address usually has all of its network.
    """
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found) >> 64 << 64, 64)))
    return address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # A zone may be any text, so none is kept: an address goes into the log.
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _without_port(text: str) -> str:
    """Some proxies add the port: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text

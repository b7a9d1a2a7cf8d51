"""The words and numbers for hosts that w2z may listen on, and how to reach it there."""

from __future__ import annotations

import contextlib
import socket
from ipaddress import IPv6Address, ip_address

EVERYWHERE = ("", "*")
"""Words for every address of this machine, of each family that the machine has."""

EVERY_IPV4 = "0.0.0.0"  # noqa: S104 (the operator chooses the addresses)
EVERY_IPV6 = "::"
LOOPBACK_IPV4 = "127.0.0.1"
LOOPBACK_IPV6 = "::1"


def openable(host: str) -> str:
    """Return the host of a URL that reaches w2z from this machine if it listens on ``host``."""
    try:
        address = None if host in EVERYWHERE else ip_address(host)
    except ValueError:
        return host
    if address is None or (isinstance(address, IPv6Address) and address.is_unspecified):
        host = _loopback()
    elif address.is_unspecified:
        host = LOOPBACK_IPV4
    return f"[{host}]" if ":" in host else host


def _loopback() -> str:
    """Return the loopback address of a family that this machine has, IPv4 if it has both."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET) as trying:
        trying.bind((LOOPBACK_IPV4, 0))
        return LOOPBACK_IPV4
    return LOOPBACK_IPV6

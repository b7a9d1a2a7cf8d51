"""Which hosts a request may be for, as its ``Host`` header says.

A page can make its own name resolve to w2z's address (DNS rebinding). Browsers then send its
requests to w2z as those of the same origin, so without an ``Origin`` for a GET. Where no token
stands in between, and where w2z listens on a loopback address, which only a browser on the same
machine reaches, the host of a request has to be one that is w2z's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

ANY = "*"


@dataclass(frozen=True)
class Hosts:
    """The names that are w2z's own besides addresses and localhost, in lower case."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, listens_on: str, allowed: Iterable[str], origins: Iterable[str] = ()) -> Hosts:
        """Return those of ``--host``, ``--allow-host``, and the hosts of ``--allow-origin``.

        A page of an allowed origin may read everything anyway.
        """
        named = {host.lower() for host in allowed}
        named |= {ANY if one == ANY else name_of(one.partition("://")[2]) for one in origins}
        # As an address to listen on, `*` means every address, not every name.
        named |= {listens_on.lower()} - {ANY}
        return cls(frozenset(named - {""}))

    def are_ours(self, host: str | None) -> bool:
        """Whether a ``Host`` header names w2z, and no name that somebody made to point here."""
        if ANY in self.names:
            return True
        return host is not None and (is_unmistakable(host) or name_of(host) in self.names)


def name_of(host: str) -> str:
    """Return the name in a ``Host`` header, in lower case, without port; empty if there is none."""
    try:
        found = urlsplit(f"//{host}")
        # A user or a path in it is nothing that a browser sends.
        return (found.hostname or "") if found.netloc == host and "@" not in host else ""
    except ValueError:
        return ""


def is_unmistakable(host: str) -> bool:
    """Whether a ``Host`` header is an address or localhost, which no DNS server can redirect."""
    name = name_of(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether the host to listen on is reached from the same machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")

"""The addresses that w2z listens on: sockets for ``--host`` and ``--port``.

Each address has a socket of its own, and an IPv6 socket takes IPv6 alone. So every combination of
addresses works in the same way on every platform.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from w2z.errors import ListenError
from w2z.hosts import EVERY_IPV4, EVERY_IPV6, EVERYWHERE
from w2z.threads import in_thread

BACKLOG = 1024
"""Connections that may wait to be accepted, at each address."""

ATTEMPTS = 20
"""Free ports that are tried for port 0, until one of them is free at every address."""

_MISSING = {
    socket.AF_INET6: f"this machine has no IPv6; {EVERY_IPV4} is every IPv4 address",
    socket.AF_INET: f"this machine has no IPv4; {EVERY_IPV6} is every IPv6 address",
}

_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""Errors that mean: this machine does not have that address, or its family."""

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family, and an address of that family as the socket module has it; its port is ignored."""


async def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at every address of ``host``, all on one port.

    ``::`` means every IPv4 address, too. Port 0 means a port that is free at each address. Raises
    :class:`~w2z.errors.ListenError`.
    """
    try:
        addresses = await _addresses(host)
        for _ in range(ATTEMPTS - 1):
            try:
                return _listen(addresses, port)
            except OSError as error:
                # Port 0: the port that was free at the first address may be taken at the next.
                if port or error.errno != errno.EADDRINUSE:
                    raise
        return _listen(addresses, port)
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeError:
        reason = "that is no host name"
    raise ListenError(f"cannot listen on {host} port {port}: {reason}")


async def _addresses(host: str) -> Sequence[Address]:
    every_ipv6: Address = (socket.AF_INET6, (EVERY_IPV6, 0, 0, 0))
    every: list[Address] = [every_ipv6, (socket.AF_INET, (EVERY_IPV4, 0))]
    if host in EVERYWHERE:
        return every
    find = partial(socket.getaddrinfo, host, 0, type=socket.SOCK_STREAM)
    try:
        # A number is parsed here; a name may wait for DNS, so a thread looks it up.
        found = find(flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await in_thread(partial(find, flags=socket.AI_PASSIVE))
    addresses: list[Address] = list(dict.fromkeys((family, end) for family, *_, end in found))
    if addresses == [every_ipv6]:
        # `::` was asked for by number, so IPv6 has to be there: this raises where it is not.
        _bound(every_ipv6, 0).close()
        return every
    return addresses


def _listen(addresses: Sequence[Address], port: int) -> list[socket.socket]:
    """Return a listening socket for each address that this machine has, at least one."""
    with contextlib.ExitStack() as undo:
        sockets: list[socket.socket] = []
        missing = OSError(errno.EADDRNOTAVAIL, "no address has that name")
        for address in addresses:
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                made = _bound(address, chosen)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
            else:
                undo.callback(made.close)
                made.listen(BACKLOG)
                sockets.append(made)
        if not sockets:
            raise missing
        undo.pop_all()
        return sockets


def _bound(address: Address, port: int) -> socket.socket:
    family, (host, _, *more) = address
    try:
        # With its protocol: asyncio sets TCP_NODELAY on the connections of no other socket.
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            raise OSError(error.errno, _MISSING[family]) from None
        raise
    with contextlib.ExitStack() as undo:
        undo.callback(made.close)
        # Connections of an earlier process on this port may still be closing.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port, *more))
        undo.pop_all()
    return made

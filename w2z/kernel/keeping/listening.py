"""Test whether a process listens at the kernel's shell endpoint, and find out which one.

The process is looked for in /proc (proc(5)). Processes of another container are not visible there,
nor are the open files of another user's processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from w2z.kernel.actions import Found
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel
from w2z.threads import in_thread, within

log = logging.getLogger("w2z")

_REFUSALS = {
    errno.ECONNREFUSED,
    errno.ENOENT,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
}
"""Errors that mean that nobody listens: no listener, or no way to the host."""
CONNECT_TIMEOUT = 1.0
"""Seconds to connect to a port, to learn whether an IPv6 socket takes IPv4 there."""

OWNER_TIMEOUT = 2.0
"""Seconds to look for the kernel's process; ten thousand open files take a tenth of a second."""

_LISTEN = "0A"
"""The state TCP_LISTEN as /proc/net/tcp writes it."""

Address = IPv4Address | IPv6Address

_ANY_4, _ANY_6 = IPv4Address(0), IPv6Address(0)

_LOOPBACK: dict[Address, Address] = {
    _ANY_4: IPv4Address("127.0.0.1"),
    _ANY_6: IPv6Address("::1"),
}
"""Where a connection leads whose address is the wildcard of its family."""


async def probe(info: ConnectionInfo, seconds: float) -> tuple[Found, ConnectionInfo]:
    """Test whether a process listens at the kernel's shell endpoint, and at which address.

    A host name may have several addresses, of both families; the first one at which a process
    listens counts. Each address gets up to ``seconds``.
    """
    if info.transport == "ipc":
        path = info.endpoint(Channel.SHELL).removeprefix("ipc://")
        return await _try(socket.AF_UNIX, path, seconds), info
    best = Found.REFUSED
    for family, address in await _addresses(info):
        found = await _try(family, address, seconds)
        if found is Found.LISTENING:
            return found, info.at(address[0])
        if found is Found.NO_ANSWER:
            best = found
    return best, info


async def _addresses(info: ConnectionInfo) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Return the addresses of the shell endpoint; none if its name cannot be resolved now."""
    host = info.host.strip("[]")
    find = partial(socket.getaddrinfo, host, info.shell_port, type=socket.SOCK_STREAM)
    try:
        if info.is_address:
            found = find(flags=socket.AI_NUMERICHOST)
        else:
            # Not the event loop's: the end of w2z would wait for a name server that is silent.
            found = await in_thread(find)
    except (OSError, UnicodeError):
        return []
    return [(family, address) for family, _, _, _, address in found]


async def _try(family: socket.AddressFamily, address: Any, seconds: float) -> Found:
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(attempt, address)
        except TimeoutError:
            return Found.NO_ANSWER
        except OSError as error:
            return Found.REFUSED if error.errno in _REFUSALS else Found.NO_ANSWER
    return Found.LISTENING


async def find_shell_owner(info: ConnectionInfo) -> int | None:
    """Run :func:`shell_owner` in a thread; ``None`` also when it takes longer than
    :data:`OWNER_TIMEOUT`.
    """
    deadline = time.monotonic() + OWNER_TIMEOUT
    try:
        return await within(OWNER_TIMEOUT, partial(shell_owner, info, deadline))
    except TimeoutError:
        log.warning("the kernel's process was not found within %g s", OWNER_TIMEOUT)
        return None


def shell_owner(info: ConnectionInfo, deadline: float = math.inf) -> int | None:
    """Return the id of the process that listens at the kernel's shell endpoint.

    Returns ``None`` if it cannot be seen. Blocks: it reads the open files of every process, and may
    resolve a host name. Raises :class:`TimeoutError` at ``deadline``, on the clock of
    ``time.monotonic``.
    """
    inodes = _unix_inodes(info) if info.transport == "ipc" else _tcp_inodes(info)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return None
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        for target in _open_files(folder):
            if target in wanted:
                return int(folder.name)
            if time.monotonic() >= deadline:
                raise TimeoutError
    return None


def _open_files(process: Path) -> Iterator[str]:
    """Yield what a process has open; nothing if it ended or w2z may not look into it."""
    with contextlib.suppress(OSError):
        for file in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # the file was closed meanwhile
                yield str(file.readlink())


def _tcp_inodes(info: ConnectionInfo) -> list[str]:
    """Return the inodes of the sockets that get connections to the kernel's shell endpoint.

    Several sockets may listen at one port number. Linux prefers the socket that is bound to the
    very address, then those bound to every address of its family. Last, an IPv6 socket may take
    IPv4 as well.
    """
    place = _address(info)
    if place is None:
        return []
    family, address = place
    meant = _plain(ip_address(str(address[0]).partition("%")[0]))
    target = _LOOPBACK.get(meant, meant)
    there: dict[Address, list[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for fields in _rows(table):
            ip, _, port = fields[1].rpartition(":")
            if fields[3] == _LISTEN and int(port, 16) == info.shell_port:
                there.setdefault(_bound_to(ip), []).append(fields[9])
    if target in there:
        return there[target]
    if not _is_here(family, address):
        return []  # the kernel is on another machine; another program has its port here
    if target.version == 6:
        return there.get(_ANY_6, [])
    if _ANY_4 in there or _ANY_6 not in there:
        return there.get(_ANY_4, [])
    # The table does not tell whether an IPv6 socket takes IPv4, so connect to it.
    return there[_ANY_6] if _accepts(str(target), info.shell_port) else []


def _address(info: ConnectionInfo) -> tuple[socket.AddressFamily, tuple[Any, ...]] | None:
    """Return the family and the address that libzmq connects to, with port 0.

    For a host name, that is its first IPv4 address.
    """
    family = socket.AF_INET6 if info.is_ipv6 else socket.AF_INET
    try:
        found = socket.getaddrinfo(info.host.strip("[]"), 0, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return found[0][0], found[0][4]


def _bound_to(text: str) -> Address:
    """Parse an address of the tables: words of 32 bits, each in this machine's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return _plain(ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words)))


def _plain(address: Address) -> Address:
    """Return an IPv4 address that is mapped to IPv6 as IPv4, any other address unchanged."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_here(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    """Whether the address belongs to this machine."""
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(address)
        except OSError:
            return False
    return True


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass  # no answer is no refusal
    return True


def _unix_inodes(info: ConnectionInfo) -> list[str]:
    path = info.endpoint(Channel.SHELL).removeprefix("ipc://")
    rows = _rows("/proc/net/unix", columns=8)
    return [fields[6] for fields in rows if fields[7:] == [path]]


def _rows(table: str, columns: int = 0) -> list[list[str]]:
    """Return the fields of each row. The last of ``columns`` is a path, which may have spaces."""
    try:
        # Any process may choose the paths, in any encoding.
        lines = Path(table).read_text("utf-8", "surrogateescape").split("\n")[1:-1]
    except OSError:
        return []
    return [line.split(maxsplit=columns - 1) for line in lines]

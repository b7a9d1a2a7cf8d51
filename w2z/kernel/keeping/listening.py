"""Whether anybody listens where a kernel should, and which process it is.

The process is looked for in /proc (proc(5)): that of another container is not visible there, nor
are the open files of another user's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from w2z.kernel.actions import Found
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel

PROBE_TIMEOUT = 1.0
"""Seconds to connect to a port of the kernel; one that takes longer has not refused."""

_REFUSALS = {
    errno.ECONNREFUSED,
    errno.ENOENT,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
}
"""Answers that are as good as nobody: no listener, or no way to the host."""

_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


async def probe(info: ConnectionInfo) -> tuple[Found, ConnectionInfo]:
    """Try whether anybody listens at the kernel's shell endpoint, and where.

    A host name may lead to several addresses, of both families; the first one at which somebody
    listens counts.
    """
    if info.transport == "ipc":
        path = info.endpoint(Channel.SHELL).removeprefix("ipc://")
        return await _try(socket.AF_UNIX, path), info
    best = Found.REFUSED
    for family, address in await _addresses(info):
        found = await _try(family, address)
        if found is Found.LISTENING:
            return found, info.at(address[0])
        if found is Found.NO_ANSWER:
            best = found
    return best, info


async def is_refused(info: ConnectionInfo) -> bool:
    """Whether nobody listens at the kernel's shell endpoint; no answer at all is no refusal."""
    found, _ = await probe(info)
    return found is Found.REFUSED


async def _addresses(info: ConnectionInfo) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Where the shell endpoint may be; empty for a name that nobody knows just now."""
    host = info.host.strip("[]")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, info.shell_port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [(family, address) for family, _, _, _, address in found]


async def _try(family: socket.AddressFamily, address: Any) -> Found:
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setblocking(False)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(attempt, address)
        except TimeoutError:
            return Found.NO_ANSWER
        except OSError as error:
            return Found.REFUSED if error.errno in _REFUSALS else Found.NO_ANSWER
    return Found.LISTENING


def shell_owner(info: ConnectionInfo) -> int | None:
    """The process id, or ``None`` where it cannot be seen."""
    inodes = set(_unix_inodes(info) if info.transport == "ipc" else _tcp_inodes(info))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        if any(target in wanted for target in _open_files(folder)):
            return int(folder.name)
    return None


def _open_files(process: Path) -> Iterator[str]:
    """What a process has open; nothing for one that ended, or is not ours to look into."""
    with contextlib.suppress(OSError):
        for file in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # it was closed meanwhile
                yield str(file.readlink())


def _tcp_inodes(info: ConnectionInfo) -> Iterator[str]:
    for table, address in (("/proc/net/tcp", _little_endian(info.host)), ("/proc/net/tcp6", None)):
        for fields in _rows(table):
            ip, _, port = fields[1].rpartition(":")
            is_there = address is None or ip in (address, "00000000")
            if fields[3] == _LISTEN and int(port, 16) == info.shell_port and is_there:
                yield fields[9]


def _little_endian(host: str) -> str | None:
    """An IPv4 address as the table has it on every machine w2z is likely to run on."""
    try:
        return socket.inet_aton(host)[::-1].hex().upper()
    except OSError:
        return None


def _unix_inodes(info: ConnectionInfo) -> Iterator[str]:
    path = info.endpoint(Channel.SHELL).removeprefix("ipc://")
    for fields in _rows("/proc/net/unix"):
        if fields[7:] == [path]:
            yield fields[6]


def _rows(table: str) -> list[list[str]]:
    try:
        lines = Path(table).read_text().splitlines()[1:]
    except OSError:
        return []
    return [line.split() for line in lines]

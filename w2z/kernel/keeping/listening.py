"""Whether anybody listens where a kernel should, and which process it is.

The process is looked for in /proc (proc(5)): that of another container is not visible there, nor
are the open files of another user's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel

PROBE_TIMEOUT = 1.0
"""Seconds to connect to a port of the kernel; one that takes longer has not refused."""

_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


async def is_refused(info: ConnectionInfo) -> bool:
    """Whether nobody listens at the kernel's shell endpoint; no answer at all is no refusal."""
    if info.transport == "ipc":
        family = socket.AF_UNIX
        address: object = info.endpoint(Channel.SHELL).removeprefix("ipc://")
    else:
        family = socket.AF_INET6 if info.is_ipv6 else socket.AF_INET
        address = (info.host.strip("[]"), info.shell_port)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(probe, address)  # type: ignore[arg-type]
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except (OSError, TimeoutError):
            return False
    return False


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

"""Whether anybody listens where a kernel should."""

from __future__ import annotations

import asyncio
import socket

from w2z.connection_file import ConnectionInfo
from w2z.message import Channel

PROBE_TIMEOUT = 1.0
"""Seconds to connect to a port of the kernel; one that takes longer has not refused."""


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

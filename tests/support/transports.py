"""The other end of a connection, as far as asyncio tells: both are in one process."""

from __future__ import annotations

import asyncio
import socket
from typing import Any


def other_end(writer: asyncio.StreamWriter) -> asyncio.Transport:
    """The transport at the other end; it is there once something has come back from it."""
    loop: Any = asyncio.get_running_loop()
    mine = writer.get_extra_info("sockname")
    [found] = [
        transport
        for transport in loop._transports.values()
        if transport.get_extra_info("peername") == mine
    ]
    assert isinstance(found, asyncio.Transport)
    return found


def narrow(transport: asyncio.Transport) -> None:
    """Let the network take little of what is written there, and not megabytes."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

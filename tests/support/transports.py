"""The other end of a connection in the same process, found with asyncio."""

from __future__ import annotations

import asyncio
import socket
from typing import Any


def other_end(writer: asyncio.StreamWriter) -> asyncio.Transport:
    """Return the transport at the other end. It exists once data has come back from it."""
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
    """Make the send buffer small, so that the system takes little of what is written."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

"""Peers that no library makes: many at once, that read nothing, or send without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.attacks.target import Target
from tests.support.raw_http import RawHttp
from tests.support.raw_websocket import RawWebsocket

ENDED = (ConnectionError, asyncio.IncompleteReadError)
"""What is raised when w2z has ended a connection."""

SECONDS = 3.0
"""How long a flood takes."""


@asynccontextmanager
async def crowd(target: Target, number: int) -> AsyncIterator[list[RawHttp]]:
    """Open many connections; they need not be there any more at the end."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(target.http()) for _ in range(number)]


@asynccontextmanager
async def deaf(target: Target, number: int) -> AsyncIterator[list[RawWebsocket]]:
    """Open websockets with sessions of their own, on which nothing is read."""
    async with AsyncExitStack() as stack:
        found = []
        for name in range(number):
            websocket = await stack.enter_async_context(target.websocket(f"deaf-{name}"))
            stop_reading(websocket.http)
            found.append(websocket)
        yield found
        for websocket in found:
            websocket.http.writer.transport.abort()


def stop_reading(http: RawHttp) -> None:
    """Read nothing from now on, not even as much as a stream takes ahead."""
    http.reader._transport.pause_reading()  # type: ignore[attr-defined]


async def pour(http: RawHttp, data: bytes, seconds: float = SECONDS) -> int:
    """Send the same again and again, and then cut; return how many bytes were taken."""
    taken = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while True:
                await http.send(data)
                taken += len(data)
    http.writer.transport.abort()
    return taken

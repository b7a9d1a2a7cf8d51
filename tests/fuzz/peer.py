"""One peer of the front door, and what w2z owes to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.fuzz.transport import FakeTransport
from tests.fuzz.world import World
from w2z.server.http_connection import HttpConnection
from w2z.server.websocket import Websocket

PATIENCE = 90.0
"""Seconds that w2z may read nothing from a peer: nobody waits for anything longer here."""

SILENCE = 300.0
"""Seconds within which the connection of a silent peer ends: pings, their timeout, keep-alive."""

ENDS = 4
"""Ways in which it ends."""


class Peer:
    """A peer that has just connected. It ``is_slow`` in reading."""

    def __init__(self, world: World, *, is_slow: bool) -> None:
        self._world = world
        self._connection = world.connection()
        loop = asyncio.get_running_loop()
        self.transport = FakeTransport(loop, self._connection, is_slow=is_slow)
        self._connection.connection_made(self.transport)
        self.said = b""
        """All that it sent."""
        self.held = 0
        """The most bytes that were held for it."""

    async def say(self, piece: bytes) -> None:
        """Send bytes, as soon as the connection is read from; none if it has ended."""
        if await self._is_read():
            self.said += piece
            self._connection.data_received(piece)
            self.held = max(self.held, self._held_now())
        await asyncio.sleep(0)

    async def end(self, how: int) -> None:
        """Close this side, be cut off, or say nothing more; or let w2z end."""
        if await self._is_read():
            if how == 0:
                if not self._connection.eof_received():
                    self.transport.close()
            elif how == 1:
                self.transport.abort()
            elif how == 2:
                self._world.connections.closing = True
                self._connection.shutdown()
        has_ended = await _within(SILENCE, lambda: self.transport.is_lost)
        assert has_ended, "the connection does not end"
        # What was begun for it goes on alone.
        assert await _within(PATIENCE, lambda: not self._world.tasks.running)
        self._world.connections.closing = False

    async def _is_read(self) -> bool:
        """Wait until the connection is read from, or closes; return whether it is read from."""
        transport = self.transport

        def goes_on() -> bool:
            return transport.is_closing() or not transport.is_paused

        assert await _within(PATIENCE, goes_on), "nothing is read from the connection any more"
        return not transport.is_closing()

    def _held_now(self) -> int:
        """Return the bytes that are held for the peer, all of which have to be counted."""
        stage = self._connection._stage
        if isinstance(stage, HttpConnection):
            held = stage._exchange.held
            assert held <= self._world.door.allowance.held, f"{held} bytes are not counted"
            return held
        if isinstance(stage, Websocket):
            frames = stage._frames
            counted = frames.unfinished <= self._world.bridge.holdings.begun or not frames.is_open
            assert counted, f"{frames.unfinished} bytes are not counted"
            return frames.unfinished + len(frames._reader._unread)
        return 0


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until that is so; return whether it is, after so many seconds at most."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    pause = 0.0
    while not condition():
        if loop.time() > until:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0) or 0.002
    return True

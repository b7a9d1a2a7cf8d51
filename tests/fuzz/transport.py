"""A transport that leads nowhere, and does to its protocol what asyncio's do."""

from __future__ import annotations

import asyncio
from typing import Any

PACKET = 2048
"""Bytes that a slow peer reads at once, every :data:`PACE` seconds."""

PACE = 0.01

SLOW_MARK = 1024
"""Unsent bytes of a slow peer from which on its protocol shall write no more."""


class FakeTransport(asyncio.Transport):
    """The transport of one connection. A peer that ``is_slow`` lets what is written to it wait."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, *, is_slow: bool
    ) -> None:
        super().__init__({"peername": ("192.0.2.7", 40000)})
        self.written = bytearray()
        """All that the peer gets."""
        self.has_ended = False
        """Whether the peer was told that nothing more comes."""
        self.is_paused = False
        self.is_lost = False
        self._loop = loop
        self._protocol = protocol
        self._is_slow = is_slow
        self._unsent = 0
        self._is_full = False
        self.set_write_buffer_limits()
        self._closing = False

    # Reading.

    def is_reading(self) -> bool:
        return not (self.is_paused or self._closing)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    # Writing.

    def write(self, data: Any) -> None:
        assert not self.has_ended, "nothing is written behind the end"
        if self._closing and not self._unsent:
            return
        self.written += data
        if self._is_slow and data:
            if not self._unsent:
                self._loop.call_later(PACE, self._send)
            self._unsent += len(data)
            if self._unsent > self._high and not self._is_full:
                self._is_full = True
                self._protocol.pause_writing()

    def _send(self) -> None:
        self._unsent = max(0, self._unsent - PACKET)
        if self.is_lost:
            return
        if self._unsent:
            self._loop.call_later(PACE, self._send)
        elif self._closing:
            self._lose()
        if self._is_full and self._unsent <= self._high // 4:
            self._is_full = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        # Of a slow peer small enough to be reached by what is written to it here.
        self._high = SLOW_MARK if self._is_slow else high or 2**16

    # The end.

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._closing:
            self.has_ended = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._unsent:
                self._loop.call_soon(self._lose)

    def abort(self) -> None:
        self._closing = True
        self._unsent = 0
        self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._protocol.connection_lost(None)

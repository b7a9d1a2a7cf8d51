"""What is written to one websocket: data, control frames and the end, in their order.

A large batch for many slow clients is in memory once: each outbox keeps a reference to it, and
gives its transport a piece at a time. A peer that sends pings and never reads the pongs is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from w2z.message import Buffer
from w2z.server.frames import Frames

PIECE = 2**18
"""Bytes of large data that the transport gets at once: a few pieces reach its high-water mark."""

UNREAD_LIMIT = 2**18
"""Bytes of control frames that may wait on top of what waits of data: a client that sends pings and
never reads the pongs is cut.
"""


class Outbox:
    """Writes data frames, the queued control frames (pings, pongs, close frames) and the end of the
    stream, in the order in which they are handed in.

    The transport gets large data in pieces, when it takes them: some transports copy what they
    cannot send at once, and one large batch may wait for many slow clients.
    """

    def __init__(self, frames: Frames, transport: asyncio.Transport) -> None:
        self._frames = frames
        self._transport = transport
        self._takes = True
        """Whether the transport is below its high-water mark."""
        self._waiting: deque[memoryview] = deque()
        """What the transport has not got yet; the end of the stream is an empty one. While anything
        waits, the transport is above its mark, and will say when it is not.
        """
        self._waiting_size = 0
        self._owed_bytes = 0
        """Bytes of control frames written while the peer did not keep up."""
        self.written = 0

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up: nothing waits, and the transport is below its mark."""
        return self._takes and not self._waiting

    @property
    def unsent(self) -> int:
        """Bytes that wait here and in the transport's write buffer."""
        return self._waiting_size + self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes that have left the transport, counted from any number."""
        return self.written - self.unsent

    def write(self, data: Buffer | bytearray) -> None:
        """Write data, or keep a reference to it until the transport takes it."""
        self.written += len(data)
        if len(data) <= PIECE and not self._waiting:
            self._transport.write(data)
        elif data:
            self._waiting.append(memoryview(data))
            self._waiting_size += len(data)
            self._feed()

    def pause(self) -> None:
        """The transport holds more than its high-water mark."""
        self._takes = False

    def go_on(self) -> bool:
        """The transport takes data again. Returns whether the peer keeps up now: it may be stalled
        again by what waited.
        """
        self._takes = True
        self._feed()
        if self.writable:
            self._owed_bytes = 0
        return self.writable

    def drop(self) -> None:
        """Forget what waits: the connection is lost."""
        self._waiting.clear()
        self._waiting_size = 0

    def flush(self) -> None:
        """Write the queued control frames; cut a peer that leaves too many of them unread."""
        for data in self._frames.to_send():
            if self._transport.is_closing():
                return
            if not self.writable:
                self._owed_bytes += len(data)
            if self._owed_bytes > UNREAD_LIMIT:
                self._transport.abort()
            elif data:
                self.write(data)
            elif self._waiting:
                self._waiting.append(memoryview(b""))
            else:
                self._end()

    def _feed(self) -> None:
        while self._waiting and self._takes and not self._transport.is_closing():
            data = self._waiting.popleft()
            if not data:
                self._end()
                continue
            if len(data) > PIECE:
                self._waiting.appendleft(data[PIECE:])
            piece = data[:PIECE]
            self._waiting_size -= len(piece)
            # This may call `pause` before it returns.
            self._transport.write(piece)

    def _end(self) -> None:
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the peer has cut the connection already
                self._transport.write_eof()
        else:
            self._transport.close()

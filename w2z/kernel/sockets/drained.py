"""A ZMQ socket on the event loop: received from in batches, sent to without blocking.

The socket's FD is edge-triggered and speaks of its mailbox, not of messages, and *any* call on
the socket may consume the edge (https://libzmq.readthedocs.io/en/latest/zmq_getsockopt.html,
ZMQ_FD). So: every wake-up receives until there is nothing left; one that stops at its batch limit
runs again by itself; and after every send the socket is asked for its EVENTS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import zmq

from w2z.kernel.sockets.backlog import Backlog
from w2z.message import Buffer

BATCH_MESSAGES = 128
"""Messages to receive before other sockets get their turn: about a millisecond's worth."""

BATCH_BYTES = 2**20
"""Bytes after which a batch is full although it has few messages."""

BATCHES_AHEAD = 8
"""Batches to receive into a backlog for each that is worked on: a few milliseconds' worth, after
which others get their turn.
"""

# Plain integers: pyzmq converts its enums on every call.
_NOBLOCK = int(zmq.NOBLOCK)


class DrainedSocket:
    """One connected socket.

    ``receive`` is called with the multiparts of each batch, ``writable`` when a socket that
    refused a message takes messages again. ``min_frames`` is the number of frames every multipart
    has: that many are received without asking whether they belong together, which is most of the
    cost; one with fewer comes glued to the next (see :func:`w2z.wire.zmq.rest_of`).
    ``poll_interval`` is how many seconds to wait between looks while messages keep coming; 0 looks
    whenever one comes. With a ``backlog`` messages are received ahead of the work on them.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        receive: Callable[[list[list[bytes]]], None],
        writable: Callable[[], None] = lambda: None,
        *,
        min_frames: int = 1,
        poll_interval: float = 0,
        backlog: Backlog | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._receive = receive
        self._writable = writable
        self._all_but_last = range(min_frames - 1)
        self._poll_interval = poll_interval
        self._backlog = backlog
        self._is_polling = False
        self._refused = False
        self._again: asyncio.Handle | None = None
        self._fd = cast(int, socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self.receive_batch)
        self._schedule()

    def send(self, parts: Sequence[Buffer]) -> bool:
        """Send one multipart; ``False`` when the socket is full and took nothing of it."""
        try:
            self._socket.send_multipart(parts, _NOBLOCK)
        except zmq.Again:
            self._refused = True
            self._schedule()
            return False
        if self._events() & zmq.POLLIN:
            self._schedule()
        return True

    def close(self, linger_ms: int) -> None:
        """Close; what was sent but is not out yet has ``linger_ms`` to leave."""
        if not self._is_polling:
            self._loop.remove_reader(self._fd)
        self._cancel()
        self._socket.close(linger_ms)

    def receive_batch(self) -> bool:
        """Receive what is there, at most one batch now; the rest follows by itself.

        Returns whether there may be a rest.
        """
        self._cancel()
        batch, emptied = (
            self._drain() if self._backlog is None else self._drain_ahead(self._backlog)
        )
        # Before anything below can raise: the edge is spent, this is the only wake-up.
        if not emptied:
            self._schedule()
        elif self._poll_interval:
            self._set_polling(bool(batch))
        if self._refused:
            events = self._events()
            # Asking may have consumed the edge of what came since the drain.
            if events & zmq.POLLIN:
                self._schedule()
            if events & zmq.POLLOUT:
                self._refused = False
                self._writable()
        if batch:
            self._receive(batch)
        return not emptied

    def receive_ahead(self, most: int) -> None:
        """Receive what is there into the backlog, to be worked on in turn: ``most`` batches."""
        if self._backlog is None:
            return
        emptied = False
        while most and not emptied:
            batch, emptied = self._drain()
            self._backlog.append(batch)
            most -= 1
        self._schedule()

    def _drain_ahead(self, backlog: Backlog) -> tuple[list[list[bytes]], bool]:
        """Receive several batches where one does not empty the socket; returns the one whose turn
        it is.
        """
        batch, emptied = self._drain()
        if emptied and not backlog:
            return batch, True
        ahead = 1
        backlog.append(batch)
        while not emptied and ahead < BATCHES_AHEAD:
            batch, emptied = self._drain()
            backlog.append(batch)
            ahead += 1
        return backlog.pop(), emptied and not backlog

    def _set_polling(self, is_polling: bool) -> None:
        """While hot the FD is left alone and a timer looks; the drain before emptied the socket,
        so what comes later makes the FD readable again.
        """
        if is_polling and not self._is_polling:
            self._loop.remove_reader(self._fd)
        elif self._is_polling and not is_polling:
            self._loop.add_reader(self._fd, self.receive_batch)
        self._is_polling = is_polling
        if is_polling:
            self._again = self._loop.call_later(self._poll_interval, self.receive_batch)

    def _schedule(self) -> None:
        if self._again is None:
            self._again = self._loop.call_soon(self.receive_batch)

    def _cancel(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _events(self) -> int:
        return cast(int, self._socket.getsockopt(zmq.EVENTS))

    def _drain(self) -> tuple[list[list[bytes]], bool]:
        """Receive one batch; tells whether that was all.

        The last frames are received as frame objects, because those know whether more follow.
        """
        receive = self._socket.recv
        batch: list[list[bytes]] = []
        parts: list[bytes] = []
        size = 0
        try:
            while len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
                parts = []
                for _ in self._all_but_last:
                    parts.append(receive(_NOBLOCK))
                frame = receive(_NOBLOCK, False)
                parts.append(frame.bytes)
                while frame.more:
                    frame = receive(_NOBLOCK, False)
                    parts.append(frame.bytes)
                size += len(parts[-1])
                batch.append(parts)
        except zmq.Again:
            if parts:
                # Too short to be a message, with nothing behind it: not to vanish unseen.
                batch.append(parts)
            return batch, True
        return batch, False

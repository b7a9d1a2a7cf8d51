"""A ZMQ socket on the event loop: received from in batches, sent to without blocking.

The socket's FD is edge-triggered and signals events of the socket's mailbox, not messages, and
*any* call on the socket may consume the edge
(https://libzmq.readthedocs.io/en/latest/zmq_getsockopt.html, ZMQ_FD). So every wake-up receives
until nothing is left; a wake-up that stops at its batch limit schedules another one; and every send
is followed by a look at the socket's EVENTS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import zmq

from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.under_way import FIRST_LOOK, SLOWEST_LOOK, UnderWay
from w2z.message import Buffer
from w2z.wire.payload import MAX_BUFFERS
from w2z.wire.zmq import too_large

BATCH_MESSAGES = 128
"""Messages received before other sockets get their turn: about a millisecond's worth."""

BATCH_BYTES = 2**20
"""Bytes after which a batch is full, however few messages it has."""

HEAVY_BATCH = 2**23
"""Bytes of a batch that takes tens of milliseconds to be received, and as long to be carried."""

MESSAGES_AHEAD = 8 * BATCH_MESSAGES
"""Messages to receive into a backlog for each batch that is worked on: a few milliseconds' worth,
after which other sockets get their turn.
"""

BYTES_AHEAD = 32 * 2**20
"""Bytes of large messages after which it is enough. Fewer, and a kernel that prints megabytes fills
libzmq's own queue, which has no bound in bytes, faster than w2z empties it.
"""

ASKED_FIRST = 2
"""Messages of a batch before which the socket is asked whether there is one. Asking is cheaper than
the exception of an empty socket; from the third message on there are probably more.
"""

FEW_FRAMES = 64
"""ZMQ frames of a multipart that are received without a look at the limits: nearly all have 7."""

FRAMES_AT_ONCE = 2**13
"""ZMQ frames of one multipart to receive before other sockets get their turn: some milliseconds'
worth. The next turn goes on where this one stopped.
"""

MAX_FRAMES = MAX_BUFFERS + FEW_FRAMES
"""Most ZMQ frames of a multipart. One that has more is received and dropped: each frame takes its
sender a few bytes and w2z about a hundred.
"""

SMALL_MESSAGE = 2**20
"""Most bytes of a multipart where none is expected to be large: heartbeats and monitors."""

LITTLE_MESSAGE = 2**10
"""Bytes of a message on average below which a full batch has little messages. More of them stay in
libzmq, which bounds their number: to receive them ahead of their turn costs more than it saves.
"""

STEADY = 10
"""Looks in a row with a batch each, after which output flows steadily: then the next look waits
for ``steady_interval``.
"""

NOT_COPIED = 2**16
"""Bytes of a frame from which on libzmq is given the frame itself, and not a copy of it."""

# Plain integers: operations on pyzmq's enums cost more than the calls that they are for.
_NOBLOCK = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
_EVENTS = int(zmq.EVENTS)
_POLLIN = int(zmq.POLLIN)
_POLLOUT = int(zmq.POLLOUT)


class DrainedSocket:
    """One ZMQ socket on the event loop, read in batches.

    ``receive`` is called with the multiparts of each batch, ``writable`` when a socket that
    refused a message takes messages again. ``min_frames`` is the least number of ZMQ frames in a
    multipart: that many are received without asking whether they belong together, because asking is
    most of the cost; a multipart with fewer comes glued to the next one (see
    :func:`w2z.wire.zmq.rescue`). ``poll_interval`` is the seconds between looks while messages
    keep coming, ``steady_interval`` the same where they have come for :data:`STEADY` looks; 0 looks
    whenever a message comes. With a ``backlog`` the socket receives messages ahead of the work on
    them, unless they are little. ``looked`` is called after each look, with or without a batch;
    ``overrun`` between two multiparts, where the socket has more than it gave in one look.
    ``under_way`` counts the bytes that libzmq has yet to send; without it the socket is full by
    messages only.

    A multipart of more than ``max_size`` bytes or :data:`MAX_FRAMES` frames is dropped. In its
    place ``receive`` gets what :func:`w2z.wire.zmq.too_large` returns.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        receive: Callable[[list[list[bytes]]], None],
        writable: Callable[[], None] = lambda: None,
        *,
        min_frames: int = 1,
        poll_interval: float = 0,
        steady_interval: float = 0,
        backlog: Backlog | None = None,
        looked: Callable[[], None] | None = None,
        overrun: Callable[[], None] | None = None,
        max_size: int = SMALL_MESSAGE,
        under_way: UnderWay | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._receive = receive
        self._writable = writable
        self._all_but_last = range(min_frames - 1)
        self._poll_interval = poll_interval
        self._steady_interval = steady_interval
        self._looks = 0
        """Looks in a row that found a batch."""
        self._backlog = backlog
        self._looked = looked
        self._overrun = overrun
        self._max_size = max_size
        self._long: _Long | None = None
        """A multipart of which a part has been received; the next turn goes on with it."""
        self.received = 0
        """How many messages the socket has given."""
        self.is_emptied = False
        """Whether the socket had no more messages when it was last received from."""
        self._has_large = False
        """Whether the step before received a large batch into the backlog, and nothing else."""
        self._is_polling = False
        self._flows = True
        """Whether the last look said that more messages are likely after a batch."""
        self._refused = False
        self._under_way = under_way
        self._look: asyncio.Handle | None = None
        self._again: asyncio.Handle | None = None
        self._getsockopt = cast(Callable[[int], int], socket.getsockopt)
        self._fd = self._getsockopt(zmq.FD)
        self._loop.add_reader(self._fd, self.receive_batch)
        self._schedule()

    def send(self, parts: Sequence[Buffer]) -> bool:
        """Send one multipart. Returns ``False`` when the socket is full, by messages or by bytes,
        and took nothing of it; ``writable`` is called later.
        """
        tracker: zmq.MessageTracker | None = None
        frames: Sequence[Buffer | zmq.Frame] = parts
        under_way, size = self._under_way, 0
        if under_way is not None:
            if under_way.is_full:
                self._look_later(FIRST_LOOK)
                return False
            size = sum(map(len, parts))
            if under_way.wants(size):
                last = zmq.Frame(parts[-1], track=True, copy=False, copy_threshold=0)
                frames = [*map(_uncopied, parts[:-1]), last]
                tracker = last.tracker
        send = self._socket.send
        try:
            # Not send_multipart, which takes twice as long.
            for frame in frames[:-1]:
                send(frame, _MORE)
            send(frames[-1], _NOBLOCK)
        except zmq.Again:
            self._refused = True
            self._schedule()
            return False
        if under_way is not None:
            under_way.sent(size, tracker)
        if self._getsockopt(_EVENTS) & _POLLIN:
            self._schedule()
        return True

    def close(self, linger_ms: int) -> None:
        """Close the socket; messages that have not left yet get ``linger_ms`` to leave."""
        if not self._is_polling:
            self._loop.remove_reader(self._fd)
        self._cancel()
        if self._look is not None:
            self._look.cancel()
        self._socket.close(linger_ms)

    def receive_batch(self, *, flows: bool = True) -> bool:
        """Receive what is there and hand out at most one batch; schedule a call for the rest.

        ``flows`` says that a batch makes more messages likely, and so lets the next one wait for
        ``poll_interval``. Where it does not, neither does the batch after this one. Returns whether
        there may be a rest.
        """
        self._cancel()
        if self._backlog is None:
            batch, _ = self._drain()
            emptied = self.is_emptied
        else:
            batch, emptied = self._drain_ahead(self._backlog)
        # Before anything below can raise: the edge is spent, and no other wake-up comes.
        if not emptied:
            self._schedule()
            # Not within a multipart: libzmq takes its end for granted.
            if self._overrun is not None and not (self.is_emptied or self._long):
                self._overrun()
        elif self._poll_interval:
            self._set_polling(flows and self._flows and bool(batch))
            self._flows = flows
        if self._refused:
            events = self._getsockopt(_EVENTS)
            # Reading EVENTS may have consumed the edge of a message that came after the drain.
            if events & _POLLIN:
                self._schedule()
            if events & _POLLOUT:
                self._refused = False
                self._writable()
        if batch:
            self._receive(batch)
        if self._looked is not None:
            self._looked()
        return not emptied

    def receive_ahead(self) -> None:
        """Receive a part of what is there into the backlog, which hands it out in its turn."""
        if self._backlog is not None:
            self._fill(self._backlog)
            self._schedule()

    def _drain_ahead(self, backlog: Backlog) -> tuple[list[list[bytes]], bool]:
        """Receive more batches into the backlog while the socket is not empty.

        Returns the batch whose turn it is, and whether socket and backlog are empty.
        """
        if self._has_large:
            self._has_large = False
            return backlog.pop() if backlog else [], False
        batch, size = self._drain()
        self._has_large = size >= HEAVY_BATCH
        if self.is_emptied and not (backlog or self._has_large):
            return batch, True
        if not backlog and size < LITTLE_MESSAGE * len(batch):
            return batch, False
        backlog.append(batch, size)
        if self._has_large:
            # To receive it and to carry it takes long: each in a step of its own.
            return [], False
        if not (self.is_emptied or self._long):
            self._fill(backlog, len(batch), size)
        return backlog.pop() if backlog else [], self.is_emptied and not backlog

    def _fill(self, backlog: Backlog, count: int = 0, size: int = 0) -> None:
        """Receive into the backlog until the socket is empty or it is enough for one step."""
        is_enough = False
        while not is_enough:
            batch, more = self._drain()
            backlog.append(batch, more)
            count += len(batch)
            size += more
            is_full = count >= MESSAGES_AHEAD or size >= BYTES_AHEAD
            is_enough = self.is_emptied or bool(self._long) or is_full

    def _set_polling(self, is_polling: bool) -> None:
        """Look at the socket by a timer while messages keep coming, else by its FD.

        Call it only after a drain that emptied the socket: then the next message makes the FD
        readable again.
        """
        if is_polling and not self._is_polling:
            self._loop.remove_reader(self._fd)
        elif self._is_polling and not is_polling:
            self._loop.add_reader(self._fd, self.receive_batch)
        self._is_polling = is_polling
        self._looks = self._looks + 1 if is_polling else 0
        if is_polling:
            is_steady = self._looks > STEADY
            interval = self._steady_interval if is_steady else self._poll_interval
            self._again = self._loop.call_later(interval, self.receive_batch)

    def _look_later(self, seconds: float) -> None:
        """Look whether libzmq has let go of enough; nothing tells when it has."""
        if self._look is None:
            self._look = self._loop.call_later(seconds, self._look_at_bytes, seconds)

    def _look_at_bytes(self, seconds: float) -> None:
        self._look = None
        if self._under_way is not None and self._under_way.is_full:
            self._look_later(min(2 * seconds, SLOWEST_LOOK))
        else:
            self._writable()

    def _schedule(self) -> None:
        if self._again is None:
            self._again = self._loop.call_soon(self.receive_batch)

    def _cancel(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _drain(self) -> tuple[list[list[bytes]], int]:
        """Receive one batch; also returns its bytes. :attr:`is_emptied` says whether that was all.

        From the ``min_frames``-th on, ZMQ frames are received as frame objects, because these know
        whether more frames follow.
        """
        receive, most = self._socket.recv, self._max_size
        batch: list[list[bytes]] = []
        parts: list[bytes] = []
        size = 0
        self.is_emptied = False
        try:
            while self._long is None and len(batch) < BATCH_MESSAGES and size < BATCH_BYTES:
                if len(batch) < ASKED_FIRST and not self._getsockopt(_EVENTS) & _POLLIN:
                    self.is_emptied = True
                    break
                parts = []
                for _ in self._all_but_last:
                    parts.append(receive(_NOBLOCK))
                frame = receive(_NOBLOCK, False)
                length = sum(map(len, parts)) + len(frame)
                parts.append(frame.bytes if length <= most else b"")
                while (more := frame.more) and length <= most and len(parts) < FEW_FRAMES:
                    frame = receive(_NOBLOCK, False)
                    length += len(frame)
                    # No copy of what is too large to be kept.
                    parts.append(frame.bytes if length <= most else b"")
                if more or length > most:
                    self._long = _Long(parts, length, most, is_whole=not more)
                else:
                    size += length
                    batch.append(parts)
        except zmq.Again:
            if parts:
                # Too short to be a message, and none follows: hand it out, so that it is counted.
                batch.append(parts)
                size += sum(map(len, parts))
            self.is_emptied = True
        if self._long is not None and self._long.go_on(self._socket):
            parts = self._long.result()
            batch.append(parts)
            size += sum(map(len, parts))
            self._long = None
        self.received += len(batch)
        return batch, size


class _Long:
    """One multipart of many frames or bytes. It is received in several turns, and beyond the limits
    only counted.
    """

    def __init__(self, parts: list[bytes], size: int, max_size: int, *, is_whole: bool) -> None:
        self._parts = parts
        self._count = len(parts)
        self._size = size
        self._max_size = max_size
        self._is_whole = is_whole
        self._is_dropped = False
        self._limit()

    def go_on(self, socket: zmq.Socket[bytes]) -> bool:
        """Receive more of the multipart. Returns whether that was the rest."""
        stop = self._count + FRAMES_AT_ONCE, self._size + BYTES_AHEAD
        while not self._is_whole and self._count < stop[0] and self._size < stop[1]:
            frame = socket.recv(_NOBLOCK, False)
            self._is_whole = not frame.more
            self._count += 1
            self._size += len(frame)
            self._limit()
            if not self._is_dropped:
                self._parts.append(frame.bytes)
        return self._is_whole

    def result(self) -> list[bytes]:
        """Return the parts, or what stands for them if they were dropped."""
        return too_large(self._count, self._size) if self._is_dropped else self._parts

    def _limit(self) -> None:
        if self._count > MAX_FRAMES or self._size > self._max_size:
            self._is_dropped = True
            self._parts = []


def _uncopied(part: Buffer) -> Buffer | zmq.Frame:
    return part if len(part) < NOT_COPIED else zmq.Frame(part, copy=False)

"""A websocket on its connection: frames in, frames out, pings, and the close.

The shell around the parts that decide: :mod:`~w2z.server.frames` knows the protocol,
:mod:`~w2z.server.acknowledgement` when to ping. What is said is the :class:`User`'s business.

It is *open* until it is *left*, which happens once, for whatever reason: a close frame of either
side, a fault, the end of the connection. From then on nothing is written but what the closing
takes, and what is received is dropped as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol

from w2z.errors import CloseCode
from w2z.server.acknowledgement import Acknowledgement, Due, ping_payload
from w2z.server.connections import Connection
from w2z.server.frames import Frames, Payload
from w2z.settings import Settings

HIGH_WATER = 512 * 1024
"""Bytes waiting in the transport at which a client counts as slow: a few round trips' worth."""

UNREAD_LIMIT = 2**20
"""Bytes beyond that a client may make w2z owe it by pings it never reads the answers to."""

CLOSE_TIMEOUT = 5.0
"""Seconds a peer has to answer a close frame before the connection is cut."""


class User(Protocol):
    """Whoever talks over a websocket."""

    @property
    def position(self) -> int:
        """How much was written, for :meth:`has_read`."""

    def opened(self) -> None:
        """It may be written to."""

    def said(self, payload: Payload) -> None:
        """The peer sent a message."""

    def has_read(self, position: int) -> None:
        """The peer says that all before this position has arrived."""

    def stalled(self) -> None:
        """The peer reads slowly: write no more for now."""

    def flows(self) -> None:
        """The peer has read: write again."""

    def left(self) -> None:
        """Nothing is written to the peer any more, and nothing comes from it. Called once."""


class Websocket:
    """The :class:`~w2z.server.connections.Stage` after the handshake.

    ``resumable`` tells whether the peer is asked how far it has read.
    """

    def __init__(
        self, connection: Connection, settings: Settings, user: User, *, resumable: bool
    ) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._user = user
        self._frames = Frames(settings.max_message_size)
        self._outbox = Outbox(self._frames, self._transport)
        acks = Acknowledgement(
            resumable=resumable,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            now=now(),
        )
        self._pings = Pings(acks, connection, self._ping, self._give_up)
        self._is_left = False

    # What its user does.

    @property
    def is_open(self) -> bool:
        """Whether anything written still goes out as it is."""
        return not (self._is_left or self._transport.is_closing())

    @property
    def writable(self) -> bool:
        """Whether the peer reads as fast as it is written to."""
        return self._outbox.writable

    def write(self, frames: bytes) -> None:
        """Write whole data frames; where it is not open any more, nothing happens."""
        if self.is_open:
            with self._connection.boundary:
                self._transport.write(frames)
                self._pings.wrote()

    def close(self, code: CloseCode, reason: str) -> None:
        """Start the closing handshake, if it is open."""
        if self.is_open:
            with self._connection.boundary:
                self._frames.close(code, reason)
                self._follow_frames()

    def refuse(self, code: CloseCode, reason: str) -> None:
        """Close for a fault of the peer's, which has said its last."""
        self._frames.fail(code, reason)
        self._follow_frames()

    def keep(self) -> None:
        """The peer is not to blame for its silence: it was not read from."""
        self._pings.heard()

    # Stage

    def begin(self) -> None:
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._pings.begin()
        self._user.opened()

    def data_received(self, data: bytes) -> None:
        self._pings.heard()
        for received in self._frames.receive(data):
            if isinstance(received, Payload):
                self._user.said(received)
            elif (position := self._pings.pong(received.data)) is not None:
                self._user.has_read(position)
            if not self.is_open:
                break
        self._follow_frames()

    def eof_received(self) -> bool:
        self._frames.receive_eof()
        self._follow_frames()
        return False

    def connection_lost(self) -> None:
        self._frames.receive_eof()
        self._leave()

    def pause_writing(self) -> None:
        self._outbox.pause()
        self._user.stalled()

    def resume_writing(self) -> None:
        self._outbox.go_on()
        self._user.flows()

    def shutdown(self) -> None:
        """w2z goes away; the code makes clients come back."""
        self.close(CloseCode.SERVICE_RESTART, "w2z is going away and may come back")

    def fail(self) -> None:
        self.refuse(CloseCode.INTERNAL_ERROR, "internal error: see the log of w2z")

    # Pings

    def _ping(self) -> None:
        self._frames.ping(ping_payload(self._user.position))
        self._outbox.flush()

    def _give_up(self) -> None:
        self.refuse(CloseCode.INTERNAL_ERROR, "no pong within the ping timeout")

    # The end

    def _follow_frames(self) -> None:
        """Write what the protocol has to say, and leave when either side says no more."""
        if not self._frames.is_open:
            self._leave()
        self._outbox.flush()

    def _leave(self) -> None:
        if self._is_left:
            return
        self._is_left = True
        self._pings.stop()
        self._user.left()
        self._connection.set_timer(CLOSE_TIMEOUT, self._transport.abort)


class Outbox:
    """Writes what the protocol has to say: pings, pongs, close frames and the end."""

    def __init__(self, frames: Frames, transport: asyncio.Transport) -> None:
        self.writable = True
        self._frames = frames
        self._transport = transport
        self._owed_bytes = 0
        """Bytes written although the peer does not read."""

    def pause(self) -> None:
        """The transport holds more than its high-water mark."""
        self.writable = False

    def go_on(self) -> None:
        """The transport takes more."""
        self.writable = True
        self._owed_bytes = 0

    def flush(self) -> None:
        """Write it; a peer that makes w2z owe it too much is cut."""
        for data in self._frames.to_send():
            if self._transport.is_closing():
                return
            if not self.writable:
                self._owed_bytes += len(data)
            if self._owed_bytes > UNREAD_LIMIT:
                self._transport.abort()
            elif data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()


class Pings:
    """Keeps the time of one connection's :class:`~w2z.server.acknowledgement.Acknowledgement`.

    ``send`` sends a ping, ``give_up`` closes the connection of a peer that is dead.
    """

    def __init__(
        self,
        acks: Acknowledgement,
        connection: Connection,
        send: Callable[[], None],
        give_up: Callable[[], None],
    ) -> None:
        self._acks = acks
        self._connection = connection
        self._send = send
        self._give_up = give_up
        self._timer_at: float | None = None

    def begin(self) -> None:
        """Keep the time from now on."""
        self._follow()

    def stop(self) -> None:
        """The connection is closing, which has a time of its own."""
        self._timer_at = inf

    def heard(self) -> None:
        """The peer sent something, or would have if it had been read."""
        self._acks.heard()

    def wrote(self) -> None:
        """Messages were written to the client."""
        self._acks.wrote(now())
        self._follow()

    def pong(self, data: bytes) -> int | None:
        """The peer sent a pong; returns the position up to which all has arrived, if it says so."""
        position = self._acks.pong(data, now())
        self._follow()
        return position

    def _follow(self) -> None:
        """Set the one timer to the next deadline."""
        deadline = self._acks.next_deadline()
        if self._timer_at not in (deadline, inf):
            self._timer_at = deadline
            self._connection.set_timer(deadline - now(), self._on_timer)

    def _on_timer(self) -> None:
        # Some timers come a little early; what they are set for is due all the same.
        moment, self._timer_at = max(now(), self._acks.next_deadline()), None
        transport = self._connection.transport
        due = self._acks.poll(
            moment,
            transport.get_write_buffer_size(),
            held_back=self._connection.reading.is_stopped,
        )
        if due is Due.DEAD:
            self._give_up()
        elif due is Due.PING:
            self._send()
            self._acks.asked(moment, transport.get_write_buffer_size())
        self._follow()


def now() -> float:
    """The event loop's time."""
    return asyncio.get_running_loop().time()

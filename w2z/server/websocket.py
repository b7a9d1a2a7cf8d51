"""One websocket on its connection: reads and writes frames, pings, and closes.

This module does the I/O. :mod:`~w2z.server.frames` knows the protocol,
:mod:`~w2z.server.acknowledgement` decides when to ping, and the :class:`User` handles payloads.

A websocket is *open* until it is *left*. That happens once, for any reason: a close frame of either
side, a fault, the end of the connection. From then on w2z writes only the rest of the closing
handshake, and drops all that it receives.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from w2z.bridge.client import Then
from w2z.errors import CloseCode
from w2z.holdings import LOOK_FOR_ROOM, Holdings
from w2z.message import Buffer
from w2z.server.acknowledgement import Acknowledgement, ping_payload
from w2z.server.backpressure import Reason
from w2z.server.connections import Connection
from w2z.server.frame_reader import Payload
from w2z.server.frames import Frames, Pong
from w2z.server.outbox import PIECE, Outbox
from w2z.server.pings import Pings, now
from w2z.server.turns import Turns
from w2z.settings import Settings

HIGH_WATER = 512 * 1024
"""Bytes waiting in the transport at which a client counts as slow: a few round trips' worth."""

CLOSE_TIMEOUT = 5.0
"""Seconds that the closing handshake may take before the connection is cut."""


class User(Protocol):
    """The object that uses a websocket, and is called when something happens on it."""

    @property
    def position(self) -> int:
        """The position behind all that was written; a ping carries it, for :meth:`has_read`."""

    def opened(self) -> None:
        """Called once, first: the websocket may be written to."""

    def said(self, payload: Payload) -> None:
        """Called for each payload of the peer."""

    def has_read(self, position: int) -> None:
        """Called when a pong proves that everything before ``position`` has arrived."""

    def stalled(self) -> None:
        """Called when the peer reads slowly: write nothing until :meth:`flows`."""

    def flows(self) -> None:
        """Called when the peer has caught up: write again."""

    def left(self) -> None:
        """Called once: nothing more is written to the peer or comes from it."""

    def closed(self, code: int, sent: int) -> None:
        """Called once, last: the connection is gone, after a close with ``code`` and ``sent``
        bytes.
        """


class Websocket:
    """The :class:`~w2z.server.connections.Stage` after the handshake.

    ``holdings`` counts what the peer has begun to send. ``resumable`` tells whether pings ask the
    peer to acknowledge what was written.
    """

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        user: User,
        holdings: Holdings,
        *,
        resumable: bool,
    ) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._user = user
        self._frames = Frames(min(settings.max_message_size, holdings.share))
        self._account = holdings.account(self._no_room)
        self._outbox = Outbox(self._frames, self._transport)
        acks = Acknowledgement(
            resumable=resumable,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            now=now(),
        )
        self._pings = Pings(
            acks,
            connection,
            self._outbox,
            send=self._ping,
            give_up=self._give_up,
            go_on=user.flows,
        )
        self._turns = Turns(now())
        self._is_left = False
        self._is_lost = False

    # For the user.

    @property
    def is_open(self) -> bool:
        """Whether data frames may still be written."""
        return not (self._is_left or self._transport.is_closing())

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up: the transport is below its high-water mark, and it has
        answered where it had to.
        """
        return self._outbox.writable and not self._pings.is_waiting

    def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
        """Write data frames; do nothing if the websocket is not open."""
        if not self.is_open:
            return
        with self._connection.boundary:
            # Behind a close frame that waits to be sent, nothing is asked any more.
            may_ask = then is not Then.REST and self._frames.is_open
            asks = may_ask and self._pings.wrote(then)
            if asks and len(frames) < PIECE:
                # In the same write: who has the frames has the ping, whatever it does next.
                frames, asks = b"".join((frames, self._next_ping())), False
            self._outbox.write(frames)
            if asks:
                self._ping()

    def close(self, code: CloseCode, reason: str) -> None:
        """Start the closing handshake; do nothing if the websocket is not open."""
        if self.is_open:
            with self._connection.boundary:
                self._frames.close(code, reason)
                self._follow_frames()

    def is_gone(self) -> bool:
        """Whether the peer has given no sign of life since this was asked before, a while ago. If
        it was not asked before, a ping asks it for one.
        """
        if not self.is_open:
            return True
        with self._connection.boundary:
            return not self._connection.reading.is_stopped and self._pings.is_gone()
        return False

    @property
    def close_code(self) -> int:
        """The code of the close frame that ended the websocket; 1006 if there was none."""
        return self._frames.close_code

    @property
    def has_answered_close(self) -> bool:
        """Whether the peer answered a close frame: it was there when w2z closed."""
        return self._frames.has_answered_close

    def refuse(self, code: CloseCode, reason: str) -> None:
        """Close because of a fault, without waiting for an answer; drop all that comes after it."""
        self._frames.fail(code, reason)
        self._follow_frames()

    def keep(self) -> None:
        """Count the peer as alive: w2z did not read from it, so it could give no sign of life."""
        self._pings.heard()

    # Stage

    def begin(self) -> None:
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._pings.begin()
        self._user.opened()

    def data_received(self, data: bytes) -> None:
        self._pings.heard()
        self._take(self._frames.receive(data))

    def eof_received(self) -> bool:
        self._frames.receive_eof()
        self._follow_frames()
        return False

    def connection_lost(self) -> None:
        self._is_lost = True
        self._outbox.drop()
        if not self._frames.is_behind:
            self._end()

    def pause_writing(self) -> None:
        self._outbox.pause()
        self._user.stalled()

    def resume_writing(self) -> None:
        if self._outbox.go_on():
            self._user.flows()

    def shutdown(self) -> None:
        """Close because w2z ends, with a code after which clients connect again."""
        self.close(CloseCode.SERVICE_RESTART, "w2z is going away and may come back")

    def fail(self) -> None:
        self.refuse(CloseCode.INTERNAL_ERROR, "internal error: see the log of w2z")

    # Turns

    def _take(self, found: list[Payload | Pong]) -> None:
        """Handle what one turn completed, and see to the next one."""
        for received in found:
            if isinstance(received, Payload):
                self._user.said(received)
            else:
                was_waiting = self._pings.is_waiting
                if (position := self._pings.pong(received.data)) is not None:
                    self._user.has_read(position)
                if was_waiting:
                    self._user.flows()
            if self._is_left:
                break
        self._follow_frames()
        self._read_on()

    def _read_on(self) -> None:
        """Read more, in a later turn of the event loop if the peer is behind, has sent too many
        frames that carry little, or sends something long for which there is no room now. Nearly
        always there is no reason to look at the time.
        """
        frames, reading = self._frames, self._connection.reading
        if not (
            frames.is_behind
            or frames.unfinished
            or frames.little != self._turns.counted
            or self._account.held
            or reading.is_stopped
            or self._is_lost
        ):
            return
        wait = self._turns.wait(self._frames.little, now())
        if not self._is_left:
            self._account.hold(self._frames.unfinished)
            wait = max(wait, LOOK_FOR_ROOM) if self._account.has_to_wait(now()) else wait
        if self._is_lost and not self._frames.is_behind:
            self._end()
        elif self._frames.is_behind or wait:
            reading.stop(Reason.OTHERS_TURN)
            asyncio.get_running_loop().call_later(wait, self._turn)
        else:
            reading.go_on(Reason.OTHERS_TURN)

    def _turn(self) -> None:
        with self._connection.boundary:
            self._take(self._frames.go_on())

    def _no_room(self) -> None:
        with self._connection.boundary:
            self.refuse(CloseCode.TRY_AGAIN_LATER, "no memory for this message; connect again")

    # Pings

    def _ping(self) -> None:
        if self._frames.is_open:
            self._outbox.write(self._next_ping())

    def _next_ping(self) -> bytes:
        """Return a ping with the present position, behind the control frames that wait."""
        position = self._user.position
        self._frames.ping(ping_payload(position))
        self._pings.asked(position)
        return b"".join(self._frames.to_send())

    def _give_up(self) -> None:
        self.refuse(CloseCode.INTERNAL_ERROR, "no pong within the ping timeout")

    # The end

    def _follow_frames(self) -> None:
        """Write the queued control frames, and leave once the protocol is not open any more."""
        if not self._frames.is_open:
            self._leave()
        self._outbox.flush()

    def _leave(self) -> None:
        if self._is_left:
            return
        self._is_left = True
        self._account.hold(0)
        self._pings.stop()
        self._user.left()
        if not self._is_lost:
            self._connection.set_timer(CLOSE_TIMEOUT, self._transport.abort)

    def _end(self) -> None:
        """The connection is lost, and all that was received before is handled."""
        self._frames.receive_eof()
        self._leave()
        self._user.closed(self._frames.close_code, self._outbox.written)

"""One websocket: frames to messages for the bridge, and framed batches out.

The protocol's state (RFC 6455) is websockets' Sans-I/O :class:`~websockets.protocol.Protocol`;
data frames to the client do not pass through it, because a batch is framed once for all clients.
"""

from __future__ import annotations

import logging
from collections import deque

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from w2z.bridge.bridge import Bridge
from w2z.errors import ClientError, CloseCode
from w2z.message import Message
from w2z.server.connections import Connection
from w2z.server.handshake import PROTOCOL_LOG, Accepted
from w2z.settings import Settings

log = logging.getLogger("w2z")

HIGH_WATER = 512 * 1024
"""Bytes waiting in the transport at which a client counts as slow: a few round trips' worth."""

UNREAD_LIMIT = 2**20
"""Bytes beyond that a client may make w2z owe it by pings it never reads the answers to."""

CLOSE_TIMEOUT = 5.0
"""Seconds a peer has to answer a close frame before the connection is cut."""

ACK_DELAY = 0.005
"""Seconds after a write until a ping asks whether it has arrived: what comes together is asked for
together.
"""

ACK_PAUSE = 0.02
"""Seconds between a pong and the next such ping while output flows."""

MAX_DIGITS = 20
"""Of a position in a pong; no journal gets that far."""

_MAX_REASON = 123
"""Bytes of a close reason: a control frame holds 125, two are the code (RFC 6455 section 5.5)."""

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class WebsocketClient:
    """A client of the bridge: the :class:`~w2z.server.connections.Stage` after the handshake."""

    def __init__(
        self, bridge: Bridge, settings: Settings, accepted: Accepted, connection: Connection
    ) -> None:
        self.codec = accepted.codec
        self.writable = True
        self._bridge = bridge
        self._clients = bridge.clients
        self._settings = settings
        self._session_id = accepted.session_id
        self._resumable = accepted.resumable
        self._replay = accepted.replay
        self._wants_pong = False
        self._is_behind = False
        self._connection = connection
        self._transport = connection.transport
        self._protocol = Protocol(
            Side.SERVER, state=State.OPEN, max_size=settings.max_message_size, logger=PROTOCOL_LOG
        )
        self._frames: deque[Frame] = deque()
        self._fragments = bytearray()
        self._is_text = False
        self._refused: Message | None = None
        self._waiting_bytes = 0
        self._was_heard = False
        self._owed_bytes = 0
        self._is_ending = False

    # Stage

    def begin(self) -> None:
        """Join the bridge's clients."""
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self._connection.set_timer(self._settings.ping_interval, self._ping)
        self._clients.attach(
            self._session_id,
            self,
            resumable=self._resumable,
            replay=self._replay,
            status=self._bridge.state.last_status,
        )

    def data_received(self, data: bytes) -> None:
        """Bytes of frames."""
        self._was_heard = True
        self._protocol.receive_data(data)
        self._frames.extend(self._protocol.events_received())  # type: ignore[arg-type]
        self._flush()
        self._take_frames()
        if not self._is_open:
            self._end()

    def eof_received(self) -> bool:
        """The peer sends no more, not even a close frame."""
        self._protocol.receive_eof()
        self._end()
        return False

    def connection_lost(self) -> None:
        """The connection is gone, closed or cut."""
        self._protocol.receive_eof()
        self._leave()

    def pause_writing(self) -> None:
        """The client reads slowly: what comes for it waits in its session."""
        self.writable = False
        self._clients.stalled(self._session_id, self)

    def resume_writing(self) -> None:
        """The client has read: it gets what waited."""
        self.writable = True
        self._owed_bytes = 0
        self._clients.flow(self._session_id, self)

    # To the client

    def write(self, frames: bytes) -> None:
        """Send framed payloads (:class:`~w2z.bridge.fanout.Client`)."""
        if not self._is_open:
            return
        with self._connection.boundary:
            self._transport.write(frames)
            self._is_behind = True
            if self._resumable and not self._wants_pong:
                self._wants_pong = True
                self._connection.set_timer(ACK_DELAY, self._ping)

    def close(self, code: CloseCode, reason: str) -> None:
        """Start the closing handshake (:class:`~w2z.bridge.fanout.Client`)."""
        if not self._is_open:
            return
        with self._connection.boundary:
            self._protocol.send_close(code, _cut(reason))
            self._end()

    def shutdown(self) -> None:
        """w2z goes away; the code makes clients come back."""
        self.close(CloseCode.SERVICE_RESTART, "w2z is going away and may come back")

    def fail(self) -> None:
        """Close: an error that nobody expected."""
        self._fail(CloseCode.INTERNAL_ERROR, "internal error: see the log of w2z")

    # From the client

    def resume(self) -> None:
        """Hand the refused message in again, then what came after it."""
        message, self._refused = self._refused, None
        if message is None or not self._is_open:
            return
        with self._connection.boundary:
            self._was_heard = True
            self._transport.resume_reading()
            self._to_kernel(message)
            self._take_frames()

    def _take_frames(self) -> None:
        while self._frames and self._refused is None and self._is_open:
            frame = self._frames.popleft()
            if frame.opcode is Opcode.PONG:
                self._on_pong(bytes(frame.data))
            elif frame.opcode in _DATA:
                self._take_data(frame)

    def _take_data(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._take_payload(bytes(frame.data))
                return
        self._fragments += frame.data
        if frame.fin:
            payload = bytes(self._fragments)
            self._fragments = bytearray()
            self._take_payload(payload)

    def _take_payload(self, payload: bytes) -> None:
        try:
            self._to_kernel(self.codec.decode(payload, self._is_text))
        except ClientError as error:
            log.info("closing a websocket with %d: %s", error.close_code, error)
            self._fail(error.close_code, str(error))

    def _to_kernel(self, message: Message) -> None:
        if not self._bridge.to_kernel(self._session_id, message):
            self._refused = message
            self._transport.pause_reading()

    # Keepalive, and what has arrived

    def _ping(self) -> None:
        """Ask for a pong, which says that all before it has arrived: frames keep their order."""
        self._wants_pong = True
        self._is_behind = False
        position = self._clients.position(self._session_id)
        self._protocol.send_ping(b"%d" % position)
        self._flush()
        self._was_heard = False
        self._waiting_bytes = self._transport.get_write_buffer_size()
        self._connection.set_timer(self._settings.ping_timeout, self._check_pong)

    def _on_pong(self, payload: bytes) -> None:
        if payload.isdigit() and len(payload) <= MAX_DIGITS:
            self._clients.acknowledge(self._session_id, self, int(payload))
        self._wants_pong = self._resumable and self._is_behind
        pause = ACK_PAUSE if self._wants_pong else self._settings.ping_interval
        self._connection.set_timer(pause, self._ping)

    def _check_pong(self) -> None:
        waiting = self._transport.get_write_buffer_size()
        # A peer is alive that sent anything (its pong may be behind a large message) or takes
        # anything (the ping may be behind output). One that w2z itself does not read may be.
        is_moving = waiting not in (0, self._waiting_bytes)
        if not (self._was_heard or is_moving or self._refused is not None):
            self._fail(CloseCode.INTERNAL_ERROR, "no pong within the ping timeout")
            return
        self._was_heard = False
        self._waiting_bytes = waiting
        self._connection.set_timer(self._settings.ping_timeout, self._check_pong)

    # The end

    @property
    def _is_open(self) -> bool:
        return self._protocol.state is State.OPEN and not self._transport.is_closing()

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._protocol.fail(code, _cut(reason))
        self._end()

    def _end(self) -> None:
        """The connection is not open any more: leave the bridge, let the peer read the rest."""
        if self._is_ending:
            return
        self._is_ending = True
        self._leave()
        self._flush()
        self._connection.set_timer(CLOSE_TIMEOUT, self._transport.abort)
        self._transport.resume_reading()

    def _leave(self) -> None:
        self._clients.detach(self._session_id, self)

    def _flush(self) -> None:
        """Write what the protocol has to say: pongs, close frames, the end."""
        for data in self._protocol.data_to_send():
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


def _cut(reason: str) -> str:
    """``reason`` within what a close frame holds, cut between characters."""
    return reason.encode()[:_MAX_REASON].decode(errors="ignore")

"""The frames of one websocket (RFC 6455), apart from any transport: bytes in, payloads out.

Rules:

- Payloads and pongs are returned in the order received, up to the close frame or the first broken
  frame, even if that came in the same bytes. Frames behind it, or received after a close frame of
  w2z's own, are dropped.
- The connection closes for the earliest reason in what was received. So outgoing frames wait in
  :meth:`Frames.to_send` until the caller has handled all that was received. If the caller finds a
  fault before the peer's close frame, :meth:`Frames.fail` replaces the answer to that close frame.
- Received bytes are read in turns of about :data:`FRAMES_A_TURN` frames, because six bytes are a
  frame already and one read of the transport may be tens of thousands of them. Between two turns
  others are served.
- From a close frame of w2z's own on, no payload is kept, however large the peer has begun to send
  it.

The protocol's state is in :class:`websockets.protocol.Protocol`. Data frames do not pass through
it: :class:`~w2z.server.frame_reader.FrameReader` reads those of the peer, and a batch for clients
is framed once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from w2z.errors import CloseCode
from w2z.server.frame_reader import Control, Fault, FrameReader, Payload
from w2z.server.handshake import PROTOCOL_LOG

MAX_REASON = 123
"""Bytes of a close reason: a control frame holds 125, two are the code (RFC 6455 section 5.5)."""

NO_CLOSE_FRAME = 1006
"""The code of a websocket whose connection ended without a close frame (RFC 6455, 7.1.5)."""

FRAMES_A_TURN = 64
"""Frames after which a turn ends: a few milliseconds' worth, if each is a message."""

KEPT_AFTER_CLOSE = 2**16
"""Bytes of an unfinished payload that may be waited for after a close frame of w2z's own. With more
of it w2z ends its side at once, and waits for no answer.
"""

_CLOSE_FRAME = bytes([0x80 | Opcode.CLOSE])
"""The first byte of a close frame, which is never fragmented."""


class Pong(NamedTuple):
    """A pong: the answer to a ping, or one that no ping asked for."""

    data: bytes


class Frames:
    """All frames of one connection. ``max_size`` limits the bytes of a payload."""

    def __init__(self, max_size: int) -> None:
        self._protocol = Protocol(Side.SERVER, state=State.OPEN, logger=PROTOCOL_LOG)
        self._reader = FrameReader(max_size)
        self._unsent: list[bytes] = []
        self._fault: int | None = None

    @property
    def close_code(self) -> int:
        """The code of the close frame that ended the websocket; 1006 if there was none."""
        if self._fault is not None:
            return self._fault
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        first = received if self._protocol.close_rcvd_then_sent else sent or received
        return NO_CLOSE_FRAME if first is None else int(first.code)

    @property
    def has_answered_close(self) -> bool:
        """Whether the peer answered a close frame of w2z's own: with the code that it got (RFC 6455
        section 5.5.1), and not with one of its own, because it was closing, too.
        """
        protocol = self._protocol
        sent, received = protocol.close_sent, protocol.close_rcvd
        is_answer = sent is not None and received is not None and received.code == sent.code
        return is_answer and not protocol.close_rcvd_then_sent

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the websocket or broken the protocol."""
        return self._protocol.state is State.OPEN

    @property
    def is_behind(self) -> bool:
        """Whether received bytes wait for another turn: call :meth:`go_on`."""
        return self._reader.is_behind

    @property
    def unfinished(self) -> int:
        """How many bytes are kept of a payload whose rest the peer has yet to send."""
        return self._reader.unfinished

    @property
    def little(self) -> int:
        """How many frames carried nothing or little: control frames, and short fragments."""
        return self._reader.little

    def receive(self, data: bytes) -> list[Payload | Pong]:
        """Take bytes of the peer; return what the first turn completes. Call :meth:`to_send`
        afterwards.
        """
        # Whoever waits for a turn is not read from: bytes come behind others only at an upgrade.
        self._reader.receive(data)
        return self.go_on()

    def go_on(self) -> list[Payload | Pong]:
        """Return what the next turn completes. Call :meth:`to_send` afterwards."""
        found: list[Payload | Pong] = []
        reader, frames = self._reader, 0
        while reader.is_behind and frames < FRAMES_A_TURN:
            frames += 1
            one = reader.next()
            if isinstance(one, Payload):
                if self.is_open:
                    found.append(one)
            elif isinstance(one, Control | Fault):
                was_open = self.is_open
                found += self._control(one, was_open)
                if was_open and not self.is_open:
                    # The caller may find an earlier reason to close in the payloads so far.
                    break
        return found

    def receive_eof(self) -> None:
        """Take note that the peer closed its side of the connection: await no close frame."""
        self._protocol.receive_eof()
        self._collect()
        self._let_go()

    def ping(self, data: bytes) -> None:
        """Queue a ping."""
        self._protocol.send_ping(data)
        self._collect()

    def close(self, code: CloseCode, reason: str) -> None:
        """Queue a close frame, if open; the peer has to answer it, if it has sent whole payloads.

        Otherwise the rest of a payload may be long, and the answer comes only behind it.
        """
        if not self.is_open:
            return
        if self.unfinished > KEPT_AFTER_CLOSE:
            self._protocol.fail(code, _cut(reason))
        else:
            self._protocol.send_close(code, _cut(reason))
            self._reader.max_size = KEPT_AFTER_CLOSE
        self._collect()
        self._let_go()

    def fail(self, code: CloseCode, reason: str) -> None:
        """Queue a close frame for a fault, and wait for no answer.

        A close frame that still waits in :meth:`to_send` is replaced; one that was sent stays.
        """
        self._fault = code
        if self.is_open:
            self._protocol.fail(code, _cut(reason))
            self._collect()
            self._let_go()
        else:
            close = Frame(Opcode.CLOSE, Close(code, _cut(reason)).serialize())
            self._unsent = [
                close.serialize(mask=False) if one.startswith(_CLOSE_FRAME) else one
                for one in self._unsent
            ]

    def to_send(self) -> list[bytes]:
        """Return queued pings, pongs and close frames; empty bytes mean: end the write side."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _collect(self) -> None:
        self._unsent += self._protocol.data_to_send()

    def _let_go(self) -> None:
        """After the end, keep nothing of what still comes."""
        if self._protocol.eof_sent:
            self._reader.stop()
        elif not self.is_open:
            self._reader.drop()

    def _control(self, one: Control | Fault, was_open: bool) -> list[Pong]:
        """Let the protocol answer a control frame or a fault; return a pong."""
        if isinstance(one, Fault):
            self._protocol.fail(one.code, one.reason)
        else:
            self._protocol.receive_data(one.data)
        events = self._protocol.events_received()
        self._collect()
        self._let_go()
        return [
            Pong(bytes(event.data))
            for event in events
            if was_open and isinstance(event, Frame) and event.opcode is Opcode.PONG
        ]


def _cut(reason: str) -> str:
    """Return ``reason`` cut to :data:`MAX_REASON` bytes, between characters."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore")

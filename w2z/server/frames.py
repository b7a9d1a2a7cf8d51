"""The frames of one websocket (RFC 6455), apart from any transport: bytes in, payloads out.

Rules:

- What was received is handed out in its order, up to the close frame or the first broken frame,
  which may come with the same bytes. After that, and after a close frame of our own, frames are
  dropped as they come.
- The connection closes for the first reason there is, in the order of what was received. So what
  there is to send waits in :meth:`Frames.to_send` until all that was received is dealt with: an
  answer to the peer's close frame that is still there gives way to a fault before it.

The protocol's state is websockets' :class:`~websockets.protocol.Protocol`. Data frames to the
client do not pass through it, because a batch is framed once for all clients.
"""

from __future__ import annotations

from typing import NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Event, Protocol, Side, State

from w2z.errors import CloseCode
from w2z.server.handshake import PROTOCOL_LOG

MAX_REASON = 123
"""Bytes of a close reason: a control frame holds 125, two are the code (RFC 6455 section 5.5)."""

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

_CLOSE_FRAME = bytes([0x80 | Opcode.CLOSE])
"""How a close frame begins: it is never fragmented."""


class Payload(NamedTuple):
    """A whole message of the client."""

    data: bytes
    is_text: bool


class Pong(NamedTuple):
    """An answer to a ping, or one that nobody asked for."""

    data: bytes


class Frames:
    """One connection's, from the first frame to the last. ``max_size`` is that of a message."""

    def __init__(self, max_size: int) -> None:
        self._protocol = Protocol(
            Side.SERVER, state=State.OPEN, max_size=max_size, logger=PROTOCOL_LOG
        )
        self._fragments = bytearray()
        self._is_text = False
        self._unsent: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed, or broken the rules."""
        return self._protocol.state is State.OPEN

    def receive(self, data: bytes) -> list[Payload | Pong]:
        """Take bytes of the peer; returns what they complete. Then send what is :meth:`to_send`."""
        was_open = self.is_open
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        self._collect()
        found = self._read(events) if was_open else []
        self._let_go()
        return found

    def receive_eof(self) -> None:
        """The peer sends no more, not even a close frame."""
        self._protocol.receive_eof()
        self._collect()
        self._let_go()

    def ping(self, data: bytes) -> None:
        """Ask for a pong."""
        self._protocol.send_ping(data)
        self._collect()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close; the peer is to answer."""
        if self.is_open:
            self._protocol.send_close(code, _cut(reason))
            self._collect()

    def fail(self, code: CloseCode, reason: str) -> None:
        """Close for a fault, without waiting for an answer.

        A close frame that has not been sent yet gives way to this one; one that was sent stays.
        """
        if self.is_open:
            self._protocol.fail(code, _cut(reason))
            self._collect()
        else:
            close = Frame(Opcode.CLOSE, Close(code, _cut(reason)).serialize())
            self._unsent = [
                close.serialize(mask=False) if one.startswith(_CLOSE_FRAME) else one
                for one in self._unsent
            ]

    def to_send(self) -> list[bytes]:
        """Pongs, pings and close frames to send now; an empty one stands for the end of it all."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def _collect(self) -> None:
        self._unsent += self._protocol.data_to_send()

    def _let_go(self) -> None:
        """Keep nothing of a message that will not be completed."""
        if not self.is_open:
            self._fragments = bytearray()

    def _read(self, events: list[Event]) -> list[Payload | Pong]:
        found: list[Payload | Pong] = []
        for frame in events:
            if not isinstance(frame, Frame):
                continue  # requests and responses, which come at the handshake only
            if frame.opcode is Opcode.PONG:
                found.append(Pong(bytes(frame.data)))
            elif frame.opcode in _DATA:
                found += self._assemble(frame)
        return found

    def _assemble(self, frame: Frame) -> list[Payload]:
        """The message that the frame completes, if it does."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                return [Payload(bytes(frame.data), self._is_text)]
        self._fragments += frame.data
        if not frame.fin:
            return []
        payload = Payload(bytes(self._fragments), self._is_text)
        self._fragments = bytearray()
        return [payload]


def _cut(reason: str) -> str:
    """``reason`` within what a close frame holds, cut between characters."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore")

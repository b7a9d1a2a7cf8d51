"""The frames of a peer, cut out of the bytes received (RFC 6455 sections 5.2 to 5.5); no I/O.

Data frames become payloads. They are unmasked piece by piece, as they come, so that the end of a
long one costs little more than its middle. Control frames are checked and handed on as they are.
:class:`websockets.protocol.Protocol` does all that, too, but takes three times as long for each
message.
"""

from __future__ import annotations

from typing import NamedTuple

from websockets import frames

from w2z.errors import CloseCode

# That of its C extension, where websockets was installed with it.
apply_mask = frames.apply_mask  # type: ignore[attr-defined]

LITTLE = 2**10
"""Bytes of a fragment below which it counts as :attr:`FrameReader.little`."""

MAX_CONTROL = 125
"""Bytes of a control frame's payload (RFC 6455 section 5.5)."""

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_CONT, _TEXT, _BINARY = 0, 1, 2
_CLOSE = 8
_CONTROL = (_CLOSE, 9, 10)
_WHOLE_TEXT, _WHOLE_BINARY = _FIN | _TEXT, _FIN | _BINARY
_MASKED, _LENGTH = 0x80, 0x7F
_LONG, _LONGEST = 126, 127
"""Lengths that say that the length is in the next two, or eight, bytes."""


class Payload(NamedTuple):
    """One payload of the peer, put together from its frames."""

    data: bytes
    is_text: bool


class Control(NamedTuple):
    """A control frame, all its bytes as they were received."""

    data: bytes


class Fault(NamedTuple):
    """What the peer must not send; the connection has to be closed with this code and reason."""

    code: CloseCode
    reason: str


Found = Payload | Control | Fault


class FrameReader:
    """Reads the frames of one peer. No payload has more than ``max_size`` bytes.

    After a :class:`Fault` nothing can be read any more: call :meth:`stop`.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.is_behind = False
        """Whether :meth:`next` may find something in what was received."""
        self.little = 0
        """How many frames carried nothing or little: control frames, and short fragments."""
        self._unread = b""
        self._at = 0
        self._keeps = True
        self._is_stopped = False
        # The payload so far, unmasked.
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_text = False
        self._is_fragmented = False
        # The data frame of which a part is there.
        self._missing = 0
        self._frame_size = 0
        self._mask = b""
        self._is_last = True
        self._is_fragment = False

    @property
    def unfinished(self) -> int:
        """How many bytes are kept of a payload whose rest the peer has yet to send."""
        return self._size

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer; then call :meth:`next` while :attr:`is_behind`."""
        if self._is_stopped:
            return
        self._unread = self._unread[self._at :] + data if self._at < len(self._unread) else data
        self._at = 0
        self.is_behind = True

    def next(self) -> Found | None:
        """Read on, to the end of a frame at most. Return what that completes, if anything."""
        began_at = self._at
        found = self._go_on() if self._missing else self._begin()
        if self._at == len(self._unread):
            self._unread, self._at, self.is_behind = b"", 0, False
        elif self._at == began_at:
            # A frame whose head, or a control frame, is there in part.
            self.is_behind = False
        return found

    def drop(self) -> None:
        """Keep nothing of the data frames from now on; their payloads are empty."""
        self._keeps = False
        self._pieces.clear()
        self._size = 0

    def stop(self) -> None:
        """Read nothing any more."""
        self.drop()
        self._is_stopped = True
        self._unread, self._at, self._missing, self.is_behind = b"", 0, 0, False

    def _begin(self) -> Found | None:
        """Read the head of a frame, and as much as there is of the rest."""
        data, at = self._unread, self._at
        there = len(data) - at
        if there < 2:
            return None
        first, second = data[at], data[at + 1]
        length = second & _LENGTH
        start = at + 6
        if length == _LONG:
            start = at + 8
            length = int.from_bytes(data[at + 2 : at + 4])
        elif length == _LONGEST:
            start = at + 14
            length = int.from_bytes(data[at + 2 : at + 10])
        end = start + length
        if (
            # Nearly all messages: one frame that is there as a whole.
            first in (_WHOLE_TEXT, _WHOLE_BINARY)
            and second & _MASKED
            and end <= len(data)
            and length <= self.max_size
            and not self._is_fragmented
        ):
            self._at = end
            payload = apply_mask(data[start:end], data[start - 4 : start])
            return Payload(payload if self._keeps else b"", first == _WHOLE_TEXT)
        fault = self._fault(first, second)
        if fault is not None or start > len(data):
            return fault
        if first & _OPCODE in _CONTROL:
            return self._control(end)
        return self._begin_data(first, start, length)

    def _control(self, end: int) -> Control | None:
        data, at = self._unread, self._at
        if end > len(data):
            return None
        self._at = end
        self.little += 1
        return Control(data[at:end])

    def _begin_data(self, first: int, start: int, length: int) -> Found | None:
        """Begin a data frame of which only a part is there, or that is a fragment."""
        if self._size + length > self.max_size:
            return Fault(
                CloseCode.MESSAGE_TOO_BIG,
                f"a message of {self._size + length} bytes; at most {self.max_size} are taken",
            )
        if first & _OPCODE != _CONT:
            self._is_text = first & _OPCODE == _TEXT
        self._is_last = bool(first & _FIN)
        self._is_fragment = self._is_fragmented or not self._is_last
        self._is_fragmented = not self._is_last
        self._mask = self._unread[start - 4 : start]
        self._missing = self._frame_size = length
        self._at = start
        return self._go_on()

    def _fault(self, first: int, second: int) -> Fault | None:
        """Return what is wrong with the first two bytes of a frame."""
        opcode = first & _OPCODE
        if first & _RESERVED:
            reason = "a frame has reserved bits set, and no extension was agreed on"
        elif not second & _MASKED:
            reason = "a frame is not masked"
        elif opcode in _CONTROL:
            reason = self._control_fault(first, second & _LENGTH)
        elif opcode > _BINARY:
            reason = f"there is no opcode {opcode}"
        elif opcode == _CONT and not self._is_fragmented:
            reason = "a continuation frame continues nothing"
        elif opcode != _CONT and self._is_fragmented:
            reason = "a message begins before the last fragment of the one before it"
        else:
            return None
        return Fault(CloseCode.PROTOCOL_ERROR, reason) if reason else None

    def _control_fault(self, first: int, length: int) -> str:
        if not first & _FIN:
            return "a control frame is fragmented"
        if length > MAX_CONTROL:
            return f"a control frame has more than {MAX_CONTROL} bytes"
        if first & _OPCODE == _CLOSE and self._is_fragmented:
            return "a close frame comes amid the fragments of a message"
        return ""

    def _go_on(self) -> Payload | None:
        """Read what there is of the data frame that has begun."""
        piece = self._unread[self._at : self._at + self._missing]
        self._at += len(piece)
        self._missing -= len(piece)
        if self._keeps and piece:
            self._pieces.append(apply_mask(piece, self._mask))
            self._size += len(piece)
        if self._missing:
            turn = len(piece) % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            return None
        self.little += self._is_fragment and self._frame_size < LITTLE
        if not self._is_last:
            return None
        payload = Payload(b"".join(self._pieces), self._is_text)
        self._pieces = []
        self._size = 0
        return payload

"""The frames of a client, cut out of the bytes received.

Whatever bytes come, in whatever pieces: payloads, pings and pongs are those that the parser of
``websockets`` finds, in their order, up to a close frame or the first fault. Where that parser
finds a fault, so does w2z's, at the latest when the head of the frame is there as a whole. What is
kept of an unfinished payload is never more than came, nor more than the limit.
"""

from __future__ import annotations

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from tests.fuzz.examples import CONTROLS, FIRST_BYTES, V1_PAYLOADS, frame
from tests.fuzz.mutate import Input, Mutator
from w2z.server.frame_reader import MAX_CONTROL, Control, Fault, FrameReader, Payload

LIMIT = 2**12

_CLOSE = 8
_REST_OF_HEAD = bytes(12)
_TOO_LONG = f"fault 1002: a control frame has more than {MAX_CONTROL} bytes"
_WORDS = (b"\x81\x80", b"\x00\xfe", b"\x82\xff" + bytes(8), b"\x80", b"\xff", b"\0", *CONTROLS)

Said = tuple[int, bytes]
"""What was said: whether as text (1), binary (2), in a ping (9) or a pong (10); and what."""


class FrameFuzzer:
    """Frames."""

    name = "frames"
    share = 0.15

    def __init__(self) -> None:
        datas = [b"", b"a", b"x" * 125, b"y" * 126, *V1_PAYLOADS[:6], b"z" * (LIMIT + 1)]
        self.corpus = [frame(data, first) for data in datas for first in (0x81, 0x02, 0x00, 0x80)]
        self.corpus += CONTROLS

    def make(self, mutator: Mutator) -> Input:
        data = b"".join(self._message(mutator) for _ in range(1 + mutator.below(5)))
        if mutator.chance(0.5):
            data = mutator.mutate(data, self.corpus, _WORDS)
        return mutator.cut(data)

    def _message(self, mutator: Mutator) -> bytes:
        """Frames of one payload, with control frames between them; or a frame out of place."""
        what = mutator.random()
        data = mutator.bytes(mutator.pick((0, 1, 5, 60, 126, 300)))
        if what < 0.03:
            return mutator.pick(self.corpus)
        if what < 0.06:
            return frame(data, mutator.pick(FIRST_BYTES), mask=mutator.bytes(4))
        pieces = mutator.cut(data) if what < 0.5 else (data,)
        firsts = [mutator.pick((1, 2)), *[0] * (len(pieces) - 1)]
        firsts[-1] |= 0x80
        made = []
        for piece, first in zip(pieces, firsts, strict=True):
            if what < 0.3:
                made.append(frame(data[:9], mutator.pick((0x89, 0x8A)), mask=mutator.bytes(4)))
            made.append(frame(piece, first, mask=mutator.bytes(4)))
        return b"".join(made)

    def check(self, given: Input) -> str:
        said, fault = _by_w2z(given)
        expected, error = _by_websockets(b"".join(given))
        if fault == _TOO_LONG:
            # The other parser takes a short length that is written in more bytes than it needs,
            # which RFC 6455 (section 5.2) forbids.
            expected = expected[: len(said)]
        if isinstance(error, PayloadTooBig) and (error.size or 0) <= MAX_CONTROL:
            # The other parser counts a control frame amid fragments to the size of their message.
            said, fault = said[: len(expected)], fault or "fault"
        assert said == expected
        if error is not None and not fault:
            _, fault = _by_w2z((*given, _REST_OF_HEAD))
            assert fault, f"a fault that was not found: {error}"
        return fault.partition(":")[0] or f"{min(len(said), 4)} read"

    def renew(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


def _by_w2z(given: Input) -> tuple[list[Said], str]:
    reader = FrameReader(LIMIT)
    said: list[Said] = []
    came = 0
    for piece in given:
        came += len(piece)
        reader.receive(piece)
        while reader.is_behind:
            found = reader.next()
            assert reader.unfinished <= min(came, LIMIT)
            if isinstance(found, Payload):
                said.append((1 if found.is_text else 2, found.data))
            elif isinstance(found, Control):
                opcode, data = found.data[0] & 15, found.data[6:]
                if opcode == _CLOSE:
                    return said, "closed"
                mask = found.data[2:6] * 32
                said.append((opcode, bytes(a ^ b for a, b in zip(data, mask, strict=False))))
            elif isinstance(found, Fault):
                reader.stop()
                return said, f"fault {found.code.value}: {found.reason}"
    return said, ""


def _by_websockets(data: bytes) -> tuple[list[Said], Exception | None]:
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=LIMIT)
    protocol.receive_data(data)
    said: list[Said] = []
    fragments, kind = b"", 0
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.PING, Opcode.PONG):
            said.append((int(event.opcode), bytes(event.data)))
        elif event.opcode is not Opcode.CLOSE:
            kind = kind if event.opcode is Opcode.CONT else int(event.opcode)
            fragments += event.data
            if event.fin:
                said.append((kind, fragments))
                fragments = b""
    return said, protocol.parser_exc

"""The frames of a client, cut out of the bytes received.

Whatever bytes come, in whatever pieces: payloads, pings and pongs are those that the parser of
``websockets`` finds, in their order, up to a close frame or the first fault. Where that parser finds
a fault, so does w2z's, at the latest when the head of the frame is there as a whole. What is kept of
an unfinished payload is never more than came, nor more than the limit.
"""

from __future__ import annotations

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
        frames = [self._frame(mutator) for _ in range(1 + mutator.below(5))]
        data = b"".join(frames)
        if mutator.chance(0.6):
            data = mutator.mutate(data, self.corpus, _WORDS)
        return mutator.cut(data)

    def _frame(self, mutator: Mutator) -> bytes:
        if mutator.chance(0.6):
            return mutator.pick(self.corpus)
        data = mutator.bytes(mutator.pick((0, 1, 5, 60, 126, 300)))
        return frame(data, mutator.pick(FIRST_BYTES), mask=mutator.bytes(4))

    def check(self, given: Input) -> str:
        said, fault = _by_w2z(given)
        expected, error = _by_websockets(b"".join(given))
        if fault == _TOO_LONG:
            # The other parser takes a short length that is written in more bytes than it needs,
            # which RFC 6455 (section 5.2) forbids.
            expected = expected[: len(said)]
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

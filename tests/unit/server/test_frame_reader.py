"""Frames cut out of received bytes.

The property: whatever bytes come, in whatever pieces, the payloads are those that websockets' own
parser finds before the first fault.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from w2z.errors import CloseCode
from w2z.server.frame_reader import Control, Fault, Found, FrameReader, Payload

LIMIT = 2**16


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def read(reader: FrameReader, *pieces: bytes) -> list[Found]:
    """Return all that is found when these pieces come one after the other."""
    found: list[Found] = []
    for piece in pieces:
        reader.receive(piece)
        while reader.is_behind:
            if (one := reader.next()) is not None:
                found.append(one)
            if isinstance(one, Fault):
                return found
    return found


def payloads(found: list[Found]) -> list[Payload]:
    return [one for one in found if isinstance(one, Payload)]


def by_websockets(data: bytes) -> list[Payload]:
    """The payloads before the first fault, and before a close frame that comes amid fragments."""
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=LIMIT)
    protocol.receive_data(data)
    found, fragments, is_text = [], b"", False
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.TEXT, Opcode.BINARY):
            is_text = event.opcode is Opcode.TEXT
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            fragments += event.data
            if event.fin:
                found.append(Payload(fragments, is_text))
                fragments = b""
    return found


SOME_DATA = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 2**17).map(lambda size: b"0123456789abcdef"[: size % 17] * (size // 17)),
)
SOME_FRAMES = st.builds(
    frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    SOME_DATA,
    fin=st.booleans(),
) | st.builds(frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=20))
STREAMS = st.lists(SOME_FRAMES, max_size=6).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@given(data=STREAMS, places=st.lists(st.integers(0), max_size=5))
def test_payloads_are_those_of_websockets(data: bytes, places: list[int]):
    assert payloads(read(FrameReader(LIMIT), *cut(data, places))) == by_websockets(data)


@given(
    data=STREAMS,
    places=st.lists(st.integers(0), max_size=3),
    broken=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_payloads_before_a_fault_are_those_of_websockets(
    data: bytes, places: list[int], broken: list[tuple[int, int]]
):
    mutable = bytearray(data or b"\0")
    for place, value in broken:
        mutable[place % min(len(mutable), 64)] = value
    data = bytes(mutable)
    assert payloads(read(FrameReader(LIMIT), *cut(data, places))) == by_websockets(data)


def test_a_payload_comes_byte_by_byte():
    data = frame(Opcode.TEXT, b"hello") + frame(Opcode.BINARY, b"x" * 300)
    pieces = [bytes([byte]) for byte in data]
    found = read(FrameReader(LIMIT), *pieces)
    assert found == [Payload(b"hello", is_text=True), Payload(b"x" * 300, is_text=False)]


def test_fragments_are_counted_and_put_together():
    reader = FrameReader(LIMIT)
    first = frame(Opcode.TEXT, b"ab", fin=False)
    assert read(reader, first) == []
    assert reader.unfinished == 2
    assert read(reader, frame(Opcode.PING, b"?"))[0].__class__ is Control
    assert read(reader, frame(Opcode.CONT, b"", fin=False)) == []
    assert read(reader, frame(Opcode.CONT, b"c")) == [Payload(b"abc", is_text=True)]
    assert reader.unfinished == 0
    assert reader.little == 4, "three fragments and a ping"


def test_a_control_frame_is_handed_on_as_it_is_when_it_is_there_as_a_whole():
    data = frame(Opcode.PONG, b"17")
    assert read(FrameReader(LIMIT), data) == [Control(data)]
    assert read(FrameReader(LIMIT), data[:-1]) == []
    assert read(FrameReader(LIMIT), data[:-1], data[-1:]) == [Control(data)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xc1\x80", "reserved bits"),
        (b"\x81\x05hello", "not masked"),
        (b"\x09\x80", "control frame is fragmented"),
        (b"\x89\xfe", "more than 125 bytes"),
        (b"\x80\x80", "continues nothing"),
        (b"\x83\x80", "no opcode 3"),
        (b"\x8f\x80", "no opcode 15"),
        (frame(Opcode.TEXT, b"a", fin=False) + b"\x81\x80", "before the last fragment"),
        (frame(Opcode.TEXT, b"a", fin=False) + b"\x88\x80", "amid the fragments"),
    ],
)
def test_a_fault_is_told_at_the_second_byte(data: bytes, reason: str):
    *_, fault = read(FrameReader(LIMIT), data)
    assert isinstance(fault, Fault)
    assert fault.code is CloseCode.PROTOCOL_ERROR
    assert reason in fault.reason
    assert FrameReader(LIMIT).next() is None


@pytest.mark.parametrize("before", [b"", frame(Opcode.BINARY, b"x" * 10, fin=False)])
def test_a_message_over_the_limit_is_told_at_its_head(before: bytes):
    opcode = Opcode.CONT if before else Opcode.BINARY
    size = LIMIT - 9 if before else LIMIT + 1
    *_, fault = read(FrameReader(LIMIT), before, frame(opcode, b"x" * size)[:14])
    assert isinstance(fault, Fault)
    assert fault.code is CloseCode.MESSAGE_TOO_BIG
    assert f"{LIMIT + 1} bytes" in fault.reason


def test_what_is_dropped_is_not_kept_and_what_comes_after_the_stop_not_read():
    reader = FrameReader(LIMIT)
    long = frame(Opcode.BINARY, b"x" * 1000)
    read(reader, long[:500])
    assert reader.unfinished > 400
    reader.drop()
    assert reader.unfinished == 0
    assert read(reader, long[500:], long) == [Payload(b"", is_text=False)] * 2
    reader.stop()
    assert read(reader, long) == []
    assert not reader.is_behind

"""Frames of a websocket: bytes in, payloads out, and what to say to the peer."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from w2z.errors import CloseCode
from w2z.server.frame_reader import Payload
from w2z.server.frames import MAX_REASON, Frames, Pong

LIMIT = 1000
END = b""


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """As a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def close(code: int, reason: str = "") -> bytes:
    return Close(code, reason).serialize()


def from_server(opcode: Opcode, data: bytes = b"") -> bytes:
    return Frame(opcode, data).serialize(mask=False)


HELLO = frame(Opcode.TEXT, b"hello")
BYE = frame(Opcode.CLOSE, close(1000, "bye"))
BROKEN = b"\x83\x80\0\0\0\0"


def test_messages_are_payloads_and_know_what_they_are():
    frames = Frames(LIMIT)
    assert frames.receive(HELLO + frame(Opcode.BINARY, b"\0")) == [
        Payload(b"hello", is_text=True),
        Payload(b"\0", is_text=False),
    ]
    assert frames.to_send() == []


def test_fragments_are_one_payload_and_control_frames_come_between_them():
    frames = Frames(LIMIT)
    assert frames.receive(frame(Opcode.TEXT, b"a", fin=False)) == []
    assert frames.receive(frame(Opcode.PONG, b"7") + frame(Opcode.CONT, b"b", fin=False)) == [
        Pong(b"7")
    ]
    assert frames.receive(frame(Opcode.CONT, b"c") + frame(Opcode.BINARY, b"d")) == [
        Payload(b"abc", is_text=True),
        Payload(b"d", is_text=False),
    ]


def test_a_ping_is_answered():
    frames = Frames(LIMIT)
    assert frames.receive(frame(Opcode.PING, b"?")) == []
    assert frames.to_send() == [from_server(Opcode.PONG, b"?")]
    assert frames.to_send() == [], "once"


def test_we_ping():
    frames = Frames(LIMIT)
    frames.ping(b"17")
    assert frames.to_send() == [from_server(Opcode.PING, b"17")]


def test_what_comes_together_with_a_close_frame_is_handed_out_and_the_close_answered():
    frames = Frames(LIMIT)
    assert frames.receive(HELLO + HELLO + BYE + HELLO) == [Payload(b"hello", is_text=True)] * 2
    assert not frames.is_open
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(1000, "bye")), END]


def test_what_comes_before_a_broken_frame_is_handed_out():
    frames = Frames(LIMIT)
    assert frames.receive(HELLO + BROKEN + HELLO) == [Payload(b"hello", is_text=True)]
    said, end = frames.to_send()
    assert said.startswith(from_server(Opcode.CLOSE, close(1002))[:1])
    assert said[2:4] == close(1002)
    assert end == END


@pytest.mark.parametrize("behind", [BYE, BROKEN, frame(Opcode.PING, b"?") + BYE])
def test_a_fault_gives_the_reason_though_the_close_was_received_behind_it(behind: bytes):
    frames = Frames(LIMIT)
    assert frames.receive(HELLO + behind)
    frames.fail(CloseCode.INVALID_DATA, "not JSON")
    *pongs, said, end = frames.to_send()
    assert said == from_server(Opcode.CLOSE, close(1007, "not JSON"))
    assert end == END
    assert pongs in ([], [from_server(Opcode.PONG, b"?")])


def test_a_close_frame_that_was_sent_is_the_last():
    frames = Frames(LIMIT)
    frames.close(CloseCode.REPLACED, "replaced")
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(4409, "replaced"))]
    frames.close(CloseCode.SERVICE_RESTART, "too late")
    frames.fail(CloseCode.INTERNAL_ERROR, "too late")
    assert frames.to_send() == []
    assert frames.receive(BYE) == []
    assert frames.to_send() == [END]


@pytest.mark.parametrize(("code", "answers"), [(CloseCode.REPLACED, True), (1000, False)])
def test_whether_a_close_of_ours_was_answered_is_known(code: int, answers: bool):
    """Not by a close frame of the peer's own, which it had sent before it got ours."""
    frames = Frames(LIMIT)
    said = [frames.has_answered_close]
    frames.close(CloseCode.REPLACED, "")
    said.append(frames.has_answered_close)
    frames.receive(frame(Opcode.CLOSE, close(code)))
    assert [*said, frames.has_answered_close] == [False, False, answers]
    other = Frames(LIMIT)
    other.receive(frame(Opcode.CLOSE, close(code)))
    assert not other.has_answered_close


def test_a_fault_ends_it_without_an_answer():
    frames = Frames(LIMIT)
    frames.fail(CloseCode.POLICY_VIOLATION, "no")
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(1008, "no")), END]
    assert frames.receive(HELLO) == []


def test_nothing_is_handed_out_after_a_close_frame_of_either_side():
    ours, theirs = Frames(LIMIT), Frames(LIMIT)
    ours.close(CloseCode.REPLACED, "")
    theirs.receive(BYE)
    for frames in (ours, theirs):
        assert frames.receive(HELLO + frame(Opcode.PONG, b"7")) == []
        assert frames.receive(frame(Opcode.TEXT, b"a", fin=False)) == []
        assert frames.receive(frame(Opcode.CONT, b"b")) == []


def test_the_end_without_a_close_frame_is_an_end_too():
    frames = Frames(LIMIT)
    frames.receive(HELLO)
    frames.receive_eof()
    assert not frames.is_open
    assert frames.to_send() == [END]
    frames.receive_eof()
    assert frames.to_send() == []


@pytest.mark.parametrize("data", [frame(Opcode.TEXT, bytes(LIMIT + 1)), b"\x82\xff" + b"\x7f" * 12])
def test_a_message_over_the_limit_is_not_waited_for(data: bytes):
    frames = Frames(LIMIT)
    assert frames.receive(data) == []
    assert frames.to_send()[0][2:4] == close(1009)


def test_a_reason_is_cut_between_characters():
    frames = Frames(LIMIT)
    frames.fail(CloseCode.INVALID_DATA, "ü" * 100)
    said = frames.to_send()[0]
    assert said[4:].decode() == "ü" * (MAX_REASON // 2)
    again = Frames(LIMIT)
    again.receive(HELLO + BYE)
    again.fail(CloseCode.INVALID_DATA, "ü" * 100)
    assert again.to_send()[0] == said


def test_what_comes_after_the_close_costs_no_memory():
    """Not even the beginning of a message that was under way."""
    frames = Frames(10**7)
    frames.receive(frame(Opcode.BINARY, bytes(10**6), fin=False))
    frames.close(CloseCode.REPLACED, "")
    more = frame(Opcode.CONT, bytes(10**5), fin=False)
    tracemalloc.start()
    try:
        frames.receive(more)
        for _ in range(30):
            frames.receive(more)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 3 * len(more)


PIECES: dict[str, tuple[bytes, list[Payload | Pong] | None]] = {
    "text": (HELLO, [Payload(b"hello", is_text=True)]),
    "pong": (frame(Opcode.PONG, b"7"), [Pong(b"7")]),
    "ping": (frame(Opcode.PING, b"?"), []),
    "fragments": (
        frame(Opcode.BINARY, b"a", fin=False) + frame(Opcode.CONT, b"b"),
        [Payload(b"ab", is_text=False)],
    ),
    "close": (BYE, None),
    "broken": (BROKEN, None),
}


@given(st.lists(st.sampled_from(list(PIECES))), st.data())
def test_however_it_is_cut_the_same_is_handed_out_up_to_the_first_end(
    names: list[str], data: st.DataObject
):
    """Everything before the first close or broken frame, in order, and nothing behind it; one close
    frame is sent at most, and the end follows it.
    """
    whole = b"".join(PIECES[name][0] for name in names)
    expected: list[Payload | Pong] = []
    for name in names:
        found = PIECES[name][1]
        if found is None:
            break
        expected += found
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    frames, handed, sent = Frames(LIMIT), [], []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        if start < stop:
            handed += frames.receive(whole[start:stop])
            sent += frames.to_send()
    assert handed == expected
    closes = [one for one in sent if one[:1] == b"\x88"]
    assert len(closes) == (0 if frames.is_open else 1)
    assert sent[len(sent) - len(closes) * 2 :] == [*closes, *([END] * len(closes))]


# Turns.

PONG_FRAME = frame(Opcode.PONG)


def test_many_frames_are_read_in_turns():
    frames = Frames(LIMIT)
    found, turns = frames.receive(PONG_FRAME * 40_000), [0]
    while frames.is_behind:
        more = frames.go_on()
        turns.append(len(more))
        found += more
    assert found == [Pong(b"")] * 40_000
    assert max(turns) < 500


def test_messages_are_read_in_turns_and_in_order():
    sent = [b"%d" % number for number in range(1000)]
    frames = Frames(LIMIT)
    found = frames.receive(b"".join(frame(Opcode.BINARY, one) for one in sent))
    assert len(found) < 500
    while frames.is_behind:
        found += frames.go_on()
    assert [one.data for one in found] == sent


def test_what_comes_while_others_wait_comes_behind_them():
    frames = Frames(LIMIT)
    found = frames.receive(PONG_FRAME * 1000)
    assert len(found) < 1000
    found += frames.receive(HELLO)
    while frames.is_behind:
        found += frames.go_on()
    assert found == [*[Pong(b"")] * 1000, Payload(b"hello", is_text=True)]


def test_a_fault_of_one_turn_comes_before_the_close_frame_of_a_later_one():
    frames = Frames(LIMIT)
    frames.receive(HELLO * 1000 + BYE)
    assert frames.is_open
    frames.fail(CloseCode.INVALID_DATA, "not JSON")
    assert not frames.is_behind, "what follows is dropped"
    assert frames.to_send()[0] == from_server(Opcode.CLOSE, close(1007, "not JSON"))


def test_a_long_frame_is_one_turn():
    frames = Frames(2**20)
    assert frames.receive(frame(Opcode.BINARY, bytes(2**18))) == [Payload(bytes(2**18), False)]
    assert not frames.is_behind


def test_a_close_frame_of_ours_does_not_end_the_reading_of_what_came_before_theirs():
    frames = Frames(LIMIT)
    frames.receive(HELLO * 1000 + BYE)
    frames.close(CloseCode.REPLACED, "")
    while frames.is_behind:
        assert frames.go_on() == []
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(4409)), END]


def test_frames_that_carry_little_are_counted():
    frames = Frames(10_000)
    frames.receive(HELLO + PONG_FRAME + frame(Opcode.PING))
    assert frames.little == 2
    frames.receive(frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT, bytes(5000), fin=False))
    frames.receive(frame(Opcode.CONT))
    assert frames.little == 4


def test_an_unfinished_payload_is_known_by_its_size():
    frames = Frames(2**20)
    assert frames.unfinished == 0
    part = frame(Opcode.BINARY, bytes(2**18))
    frames.receive(part[:100_000])
    assert 99_980 < frames.unfinished < 100_000, "all but the head of the frame"
    frames.receive(part[100_000:])
    assert frames.unfinished == 0
    frames.receive(frame(Opcode.BINARY, bytes(50_000), fin=False))
    assert frames.unfinished == 50_000


def test_after_our_close_a_long_payload_that_has_begun_is_not_waited_for():
    frames = Frames(2**20)
    frames.receive(frame(Opcode.BINARY, bytes(2**18))[:-1])
    frames.close(CloseCode.REPLACED, "")
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(4409)), END]
    assert frames.unfinished == 0


def test_after_our_close_a_long_payload_ends_it_unread():
    frames = Frames(2**20)
    frames.close(CloseCode.REPLACED, "")
    frames.receive(frame(Opcode.BINARY, bytes(2**18))[:1000])
    assert frames.to_send() == [from_server(Opcode.CLOSE, close(4409)), END]
    assert frames.receive(bytes(2**18)) == []
    assert frames.unfinished == 0

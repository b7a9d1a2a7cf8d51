"""RFC 6455 framing, with websockets' own frames as the oracle, and what a header has to have."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tests.unit.examples import message, messages
from w2z.errors import MalformedPayload
from w2z.wire.payload import APART, frame_header, read_header, to_pieces
from w2z.wire.subprotocol import DEFAULT, V1

BOUNDARIES = [0, 1, 125, 126, 127, 65535, 65536, 65537]


def framed(text: bool, data: bytes) -> bytes:
    """The frame websockets would make."""
    return Frame(Opcode.TEXT if text else Opcode.BINARY, data).serialize(mask=False)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("size", BOUNDARIES)
def test_a_frame_header_is_the_one_websockets_writes(text, size):
    data = bytes(size)
    assert frame_header(text, size) + data == framed(text, data)


@given(st.booleans(), st.integers(65536, 2**63 - 1))
def test_every_length_beyond_is_written_in_eight_bytes(text, size):
    assert frame_header(text, size) == struct.pack("!BBQ", 0x81 if text else 0x82, 127, size)


def to_frames(codec, batch):
    """All that is written to a client, as one."""
    return b"".join(to_pieces(codec, batch))


@pytest.mark.parametrize("codec", [V1, DEFAULT])
@pytest.mark.parametrize("size", BOUNDARIES)
def test_a_message_of_any_size_is_one_frame(codec, size):
    sent = message("comm_msg", buffers=(bytes(size),))
    text, told, chunks = codec.encode(sent)
    assert told == sum(map(len, chunks))
    assert to_frames(codec, [sent]) == framed(text, b"".join(chunks))


@pytest.mark.parametrize("codec", [V1, DEFAULT])
@settings(max_examples=50)
@given(batch=st.lists(messages(), max_size=2))
def test_a_batch_is_one_frame_after_the_other(codec, batch):
    payloads = [codec.encode(sent) for sent in batch]
    assert [one.size for one in payloads] == [sum(map(len, one.chunks)) for one in payloads]
    wanted = b"".join(framed(one.text, b"".join(one.chunks)) for one in payloads)
    assert to_frames(codec, batch) == wanted


def test_a_header_with_id_and_type_passes_whatever_else_it_has():
    fields = {"msg_id": "", "msg_type": "x", "date": None, "subshell_id": 7}
    assert read_header(fields) == ("x", "")


@pytest.mark.parametrize("name", ["msg_id", "msg_type"])
@pytest.mark.parametrize("wrong", [None, 1, [], {}, True])
def test_a_header_without_id_or_type_is_refused_by_the_fields_name(name, wrong):
    fields = {"msg_id": "1", "msg_type": "x", name: wrong}
    with pytest.raises(MalformedPayload, match=rf"^header\.{name} is missing or not a string"):
        read_header(fields)
    del fields[name]
    with pytest.raises(MalformedPayload, match=name):
        read_header(fields)


@pytest.mark.parametrize("codec", [V1, DEFAULT])
def test_a_large_part_is_a_piece_of_its_own_and_not_copied(codec):
    content = b'{"text":"' + b"x" * APART + b'"}'
    large = message("stream", buffers=(bytes(APART),))._replace(content=content)
    small = message("stream", "1")
    pieces = to_pieces(codec, [small, large, small])
    assert b"".join(pieces) == to_frames(codec, [small, large, small])
    assert [len(piece) >= APART for piece in pieces][:2] == [False, True]
    assert any(piece is content for piece in pieces)
    assert any(piece is large.buffers[0] for piece in pieces)
    assert to_pieces(codec, [small, small]) == [to_frames(codec, [small, small])]
    assert to_pieces(codec, [large])[-1] is large.buffers[0]


@pytest.mark.parametrize("version", ["5.4", "5", "6.0.1"])
def test_a_version_is_a_number(version):
    fields = {"msg_type": "x", "msg_id": "1", "version": version}
    assert read_header(fields) == ("x", "1")


@pytest.mark.parametrize("version", [5.4, None, "", "five"])
def test_a_version_that_is_none_is_told(version):
    fields = {"msg_type": "x", "msg_id": "1", "version": version}
    with pytest.raises(MalformedPayload, match=r"header\.version"):
        read_header(fields)

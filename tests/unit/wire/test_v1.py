"""The v1 format, with jupyter_server's own functions as the oracle.

The fuzzers' invariant: whatever the bytes, ``V1Codec.decode`` returns a Request or raises a
ClientError, and it allocates no more than the payload's length warrants.
"""

import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from tests.unit.examples import (
    as_bytes,
    message,
    messages,
    mutations,
    nested,
    peak_of,
    some_messages,
)
from w2z.errors import ClientError, MalformedPayload, NotAllowed, WrongFrameKind
from w2z.message import Channel, Message, Request
from w2z.wire.payload import MAX_BUFFERS
from w2z.wire.v1 import V1Codec, read

CODEC = V1Codec()


def reference(of: Message) -> bytes:
    """The payload jupyter_server would make of it."""
    payload: bytes = serialize_msg_to_ws_v1([*of[1:5], *of.buffers], of.channel.value)
    return payload


def payload_of(*parts: bytes) -> bytes:
    """A payload of any parts, right or wrong, with true offsets."""
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def with_offsets(*offsets: int, size: int = 200) -> bytes:
    """A payload of ``size`` bytes that claims these offsets."""
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets).ljust(size, b"\0")


def message_in(payload: bytes) -> Message:
    """The message in a payload."""
    return CODEC.decode(payload, text=False).message


HEADER = b'{"msg_id":"1","msg_type":"x"}'


# Round trips


@given(messages())
def test_a_message_is_encoded_as_jupyter_server_does(sent):
    payload = CODEC.encode(sent)
    assert not payload.text
    assert b"".join(payload.chunks) == reference(sent)


@given(messages())
def test_jupyter_server_reads_what_was_encoded(sent):
    channel, parts = deserialize_msg_from_ws_v1(b"".join(CODEC.encode(sent).chunks))
    assert channel == sent.channel
    assert parts == [*sent[1:5], *sent.buffers]


@given(messages())
def test_what_jupyter_server_encodes_is_read_byte_for_byte(sent):
    got = message_in(reference(sent))
    assert got[:5] == sent[:5]
    assert as_bytes(got.buffers) == list(sent.buffers)


def test_buffers_of_any_size_pass_unchanged():
    sent = message("comm_msg", buffers=(b"", b"\xff" * (5 * 2**20), b"", b"end"))
    payload = b"".join(CODEC.encode(sent).chunks)
    assert payload == reference(sent)
    assert message_in(payload) == sent


def test_buffers_are_views_and_not_copies():
    payload = reference(message("comm_msg", buffers=(b"x" * 2**20,)))
    assert peak_of(lambda: CODEC.decode(payload, text=False)) < 2**19


def test_json_parts_that_are_not_utf8_reach_the_client_as_they_are():
    sent = message("stream")._replace(content=b'{"text":"\xff"}')
    assert b"".join(CODEC.encode(sent).chunks) == reference(sent)


def test_a_missing_json_part_is_an_empty_object():
    got = message_in(payload_of(b"shell", HEADER, b"", b"", b""))
    assert got == Message(Channel.SHELL, HEADER, b"{}", b"{}", b"{}")


@given(messages().filter(lambda sent: sent.channel is not Channel.HB))
def test_the_type_and_the_id_are_read(sent):
    header = json.loads(sent.header)
    message = message_in(reference(sent))
    assert CODEC.decode(reference(sent), text=False) == Request(
        message, header["msg_type"], header["msg_id"]
    )


# Refusals


def test_text_is_the_wrong_kind_of_frame():
    with pytest.raises(WrongFrameKind, match="binary messages only"):
        CODEC.decode(reference(message("x")), text=True)


@pytest.mark.parametrize("name", [b"", b"Shell", b"shell ", b"\xff", b"x" * 10_000])
def test_a_channel_that_does_not_exist_is_refused_briefly(name):
    with pytest.raises(NotAllowed, match="there is no channel") as refused:
        CODEC.decode(payload_of(name, HEADER, b"{}", b"{}", b"{}"), text=False)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("part", ["header", "parent_header", "metadata", "content"])
@pytest.mark.parametrize("wrong", [b"{", b"[]", b"null", b'{"a":"\xff"}', nested(100_000)])
def test_each_json_part_has_to_be_an_object(part, wrong):
    parts = {"header": HEADER, "parent_header": b"{}", "metadata": b"{}", "content": b"{}"}
    parts[part] = wrong
    with pytest.raises(MalformedPayload, match=f"^{part} is "):
        CODEC.decode(payload_of(b"shell", *parts.values()), text=False)


@pytest.mark.parametrize("header", [b"", b'{"msg_id":"1"}', b'{"msg_type":"x","msg_id":1}'])
def test_a_header_without_its_id_or_type_is_refused(header):
    with pytest.raises(MalformedPayload, match=r"header\.msg_"):
        CODEC.decode(payload_of(b"shell", header, b"{}", b"{}", b"{}"), text=False)


BEATS = [
    payload_of(b"hb", b"", b"", b"", b""),
    payload_of(b"hb", HEADER, b"{ }", b"", b"{}", b"buffer"),
    payload_of(b"hb", b"no", b"JSON", b"\xff", b"[]", b"", b""),
]


@pytest.mark.parametrize("payload", BEATS)
def test_a_heartbeat_may_be_anything_and_is_carried_as_it_is(payload):
    request = CODEC.decode(payload, text=False)
    assert request.payload == payload
    assert (request.msg_type, request.msg_id) == ("", "")
    assert request.message.channel is Channel.HB
    assert b"".join(CODEC.encode(request.message).chunks) == payload, "what comes back"


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_payload_without_room_for_a_count_is_refused(size):
    with pytest.raises(MalformedPayload, match="too few for an offset count"):
        CODEC.decode(bytes(size), text=False)


@pytest.mark.parametrize("count", [0, 1, 5, 25, 10**7, 2**63, 2**64 - 1])
def test_a_count_that_the_payload_cannot_hold_is_refused_before_it_costs_anything(count):
    payload = struct.pack("<Q", count).ljust(200, b"\0")

    def decode() -> None:
        with pytest.raises(MalformedPayload, match=f"claims {count} offsets"):
            CODEC.decode(payload, text=False)

    assert peak_of(decode) < 100_000


def test_more_buffers_than_anyone_sends_are_refused_before_they_cost_anything():
    most = payload_of(b"shell", HEADER, b"", b"", b"", *[b""] * MAX_BUFFERS)
    assert len(message_in(most).buffers) == MAX_BUFFERS
    more = payload_of(b"shell", HEADER, b"", b"", b"", *[b""] * (MAX_BUFFERS + 1))

    def decode() -> None:
        with pytest.raises(MalformedPayload, match=f"at most {6 + MAX_BUFFERS}$"):
            CODEC.decode(more, text=False)

    assert peak_of(decode) < 100_000


@pytest.mark.parametrize(
    ("offsets", "why"),
    [
        ((0, 60, 60, 60, 60, 200), "first offset is 0, but has to be 56"),
        ((57, 60, 60, 60, 60, 200), "first offset is 57, but has to be 56"),
        ((56, 80, 70, 80, 80, 200), "offset 70 comes after 80"),
        ((56, 60, 60, 60, 60, 199), "last offset is 199, but the payload has 200"),
        ((56, 60, 60, 60, 60, 201), "last offset is 201, but the payload has 200"),
        ((56, 60, 60, 60, 2**64 - 1, 200), "offset 200 comes after 18446744073709551615"),
    ],
)
def test_offsets_that_lie_are_named(offsets, why):
    with pytest.raises(MalformedPayload, match=why):
        CODEC.decode(with_offsets(*offsets), text=False)


def test_as_many_offsets_as_fit_are_read():
    # 24 offsets fill 200 bytes to the last: the parts are all empty, the channel the first wrong.
    with pytest.raises(NotAllowed, match="no channel"):
        CODEC.decode(with_offsets(*[200] * 24), text=False)


# The client's side


@given(messages())
def test_the_clients_side_reads_what_the_server_writes(told):
    payload = b"".join(CODEC.encode(told).chunks)
    got = read(payload)
    assert got._replace(buffers=tuple(as_bytes(got.buffers))) == told


def test_the_clients_side_takes_any_json_and_as_many_buffers_as_a_kernel_sends():
    told = Message(Channel.IOPUB, b"odd", b"", b"\xff", b"[NaN]", (b"",) * (MAX_BUFFERS + 1))
    assert read(reference(told._replace(buffers=()))) == told._replace(buffers=())
    assert read(reference(told))[1:5] == told[1:5]
    assert len(read(reference(told)).buffers) == MAX_BUFFERS + 1


def test_the_clients_side_believes_no_count():
    for payload in (b"", b"\xff" * 8, with_offsets(199, 200, 200, 200, 200, 200)):
        with pytest.raises(MalformedPayload):
            read(payload)
    with pytest.raises(NotAllowed):
        read(with_offsets(*[200] * 24))


# Fuzzers


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_message_or_the_clients_mistake(payload, text):
    with suppress(ClientError):
        assert isinstance(CODEC.decode(payload, text), Request)


@settings(max_examples=400)
@given(mutations([reference(right) for right in some_messages]))
def test_any_mutated_payload_is_a_message_or_the_clients_mistake(payload):
    try:
        got = message_in(payload)
    except ClientError:
        return
    # What was accepted is carried on: it has to fit the format again.
    assert message_in(reference(got)) == got


@given(st.lists(st.integers(0, 250) | st.integers(0, 2**64 - 1), max_size=24))
def test_any_offsets_are_a_message_or_the_clients_mistake(offsets):
    with pytest.raises(ClientError):
        CODEC.decode(with_offsets(*offsets), text=False)

"""The default format, with jupyter_server's own functions and json as the oracles.

The fuzzers' invariant: whatever the bytes, ``DefaultCodec.decode`` returns a Request or raises a
ClientError, and it allocates no more than the payload's length warrants.
"""

import json
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    serialize_binary_message,
)

from tests.unit.examples import (
    as_bytes,
    decoded,
    message,
    messages,
    mutations,
    nested,
    peak_of,
    some_messages,
    texts,
)
from w2z.errors import ClientError, KernelMessageError, MalformedPayload, NotAllowed
from w2z.message import Channel, Message, Request
from w2z.wire.default import DefaultCodec
from w2z.wire.payload import MAX_BUFFERS

CODEC = DefaultCodec()
REQUEST = '"header":{"msg_id":"1","msg_type":"x","version":"5.4"}'


def fields_of(of: Message) -> dict[str, Any]:
    """The JSON object this format lays a message out as."""
    header = decoded(of.header)
    return {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": header["msg_type"],
        "parent_header": decoded(of.parent_header),
        "metadata": decoded(of.metadata),
        "content": decoded(of.content),
        "channel": of.channel.value,
    }


def reference(of: Message) -> bytes:
    """The binary payload jupyter_server would make of it."""
    payload: bytes = serialize_binary_message({**fields_of(of), "buffers": list(of.buffers)})
    return payload


def text_of(of: Message) -> Any:
    """What a client reads from the text payload of a message."""
    payload = CODEC.encode(of)
    assert payload.text
    return json.loads(b"".join(payload.chunks).decode())


def says_the_same(one: Message, other: Message) -> bool:
    """Whether two messages differ in nothing but the spelling of their JSON."""
    return (
        one.channel is other.channel
        and [decoded(part) for part in one[1:5]] == [decoded(part) for part in other[1:5]]
        and as_bytes(one.buffers) == as_bytes(other.buffers)
    )


def with_offsets(*offsets: int, size: int = 60) -> bytes:
    """A binary payload of ``size`` bytes that claims these offsets."""
    return struct.pack(f"!{len(offsets) + 1}I", len(offsets), *offsets).ljust(size, b" ")


def message_in(payload: bytes, *, text: bool) -> Message:
    """The message in a payload."""
    return CODEC.decode(payload, text).message


# Round trips


@given(messages())
def test_without_buffers_a_message_is_one_json_object(sent):
    sent = sent._replace(buffers=())
    assert text_of(sent) == {**fields_of(sent), "buffers": []}


@given(messages().filter(lambda sent: sent.buffers))
def test_jupyter_server_reads_what_was_encoded_with_buffers(sent):
    payload = CODEC.encode(sent)
    assert not payload.text
    got = deserialize_binary_message(b"".join(payload.chunks))
    assert got.pop("buffers") == list(sent.buffers)
    assert got == fields_of(sent)


@given(messages(texts))
def test_json_text_reaches_the_client_as_the_kernel_wrote_it(sent):
    body = b"".join(CODEC.encode(sent).chunks)
    for part in sent[1:5]:
        assert part in body


@given(messages(texts))
def test_text_is_read_with_every_field_it_has(sent):
    sent = sent._replace(buffers=())
    text = json.dumps({**fields_of(sent), "buffers": []}, ensure_ascii=False)
    assert says_the_same(message_in(text.encode(), text=True), sent)


@given(messages())
def test_lone_surrogates_are_read_from_escapes(sent):
    sent = sent._replace(buffers=())
    text = json.dumps({**fields_of(sent), "buffers": []})
    assert says_the_same(message_in(text.encode(), text=True), sent)


@given(messages())
def test_what_jupyter_server_encodes_is_read_with_every_field_it_has(sent):
    assert says_the_same(message_in(reference(sent), text=False), sent)


@given(messages())
def test_what_was_encoded_can_be_decoded(sent):
    payload = CODEC.encode(sent)
    assert says_the_same(message_in(b"".join(payload.chunks), text=payload.text), sent)


def test_a_lone_surrogate_passes_both_ways_as_an_escape():
    sent = message("stream")._replace(content=rb'{"text":"\ud83d"}')
    payload = CODEC.encode(sent)
    assert rb'"\ud83d"' in b"".join(payload.chunks)
    assert message_in(bytes(b"".join(payload.chunks)), text=True).content == sent.content


def test_buffers_of_any_size_pass_unchanged():
    sent = message("comm_msg", buffers=(b"", b"\xff" * (5 * 2**20), b"", b"end"))
    payload = b"".join(CODEC.encode(sent).chunks)
    assert deserialize_binary_message(payload)["buffers"] == list(sent.buffers)
    assert says_the_same(message_in(payload, text=False), sent)


def test_buffers_are_views_and_not_copies():
    payload = reference(message("comm_msg", buffers=(b"x" * 2**20,)))
    assert peak_of(lambda: CODEC.decode(payload, text=False)) < 2**19


# Leniency


@pytest.mark.parametrize("extra", ["", ',"buffers":[]', ',"buffers":{}', ',"buffers":null'])
def test_no_buffers_may_be_spelled_in_every_way_clients_do(extra):
    got = message_in(f"{{{REQUEST}{extra}}}".encode(), text=True)
    assert got == Message(
        Channel.SHELL, b'{"msg_id":"1","msg_type":"x","version":"5.4"}', b"{}", b"{}", b"{}"
    )


@pytest.mark.parametrize("name", ["parent_header", "metadata", "content", "channel"])
def test_null_is_as_good_as_missing(name):
    got = message_in(f'{{{REQUEST},"{name}":null}}'.encode(), text=True)
    assert got == message_in(f"{{{REQUEST}}}".encode(), text=True)


def test_a_binary_payload_without_buffers_is_accepted():
    body = f"{{{REQUEST}}}".encode()
    got = message_in(with_offsets(8, size=8) + body, text=False)
    assert got.buffers == ()


@given(messages().filter(lambda sent: sent.channel is not Channel.HB))
def test_the_type_and_the_id_are_read(sent):
    header = decoded(sent.header)
    request = CODEC.decode(reference(sent), text=False)
    assert (request.msg_type, request.msg_id) == (header["msg_type"], header["msg_id"])
    assert request.payload == b""


def test_a_heartbeat_has_neither():
    beat = '{"channel":"hb","header":{"msg_id":"1","msg_type":"x"}}'
    assert CODEC.decode(beat.encode(), text=True) == Request(
        Message(Channel.HB, b'{"msg_id":"1","msg_type":"x"}', b"{}", b"{}", b"{}")
    )


def test_a_heartbeat_needs_no_header():
    assert message_in(b'{"channel":"hb"}', text=True).channel is Channel.HB
    assert message_in(b'{"channel":"hb","content":{"a":NaN}}', text=True).channel is Channel.HB


def test_json_that_is_nested_deeper_than_the_fast_parser_goes_is_carried():
    deep = nested(500)
    got = message_in(b'{%b,"content":{"deep":%b}}' % (REQUEST.encode(), deep), text=True)
    assert got.content == b'{"deep":%b}' % deep


# Refusals


@pytest.mark.parametrize(
    "name", ['"Shell"', '""', "1", "[]", "{}", "true", '"%s"' % ("x" * 10_000)]
)
def test_a_channel_that_does_not_exist_is_refused_briefly(name):
    with pytest.raises(NotAllowed, match="there is no channel") as refused:
        CODEC.decode(f'{{{REQUEST},"channel":{name}}}'.encode(), text=True)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("wrong", [b"", b"{", b"[]", b"null", b'"\xff"', b"\xff\xfe{\0}\0"])
def test_a_payload_that_is_no_json_object_is_malformed(wrong):
    with pytest.raises(MalformedPayload, match=r"^the message is "):
        CODEC.decode(wrong, text=True)


@pytest.mark.parametrize("name", ["header", "parent_header", "metadata", "content"])
@pytest.mark.parametrize("wrong", ["[]", '"x"', "1", "false"])
def test_each_json_part_has_to_be_an_object(name, wrong):
    with pytest.raises(MalformedPayload, match=f"^{name} has to be a JSON object"):
        CODEC.decode(f'{{{REQUEST},"{name}":{wrong}}}'.encode(), text=True)


@pytest.mark.parametrize("place", ["channel", "header", "content", "unknown"])
def test_json_nested_beyond_reading_is_malformed_wherever_it_is(place):
    deep = nested(100_000)
    with pytest.raises(MalformedPayload, match="nested too deeply"):
        CODEC.decode(b'{%b,"%b":%b}' % (REQUEST.encode(), place.encode(), deep), text=True)


@pytest.mark.parametrize("header", ["{}", '{"msg_id":"1"}', '{"msg_id":1,"msg_type":"x"}'])
def test_a_header_without_its_id_or_type_is_refused(header):
    with pytest.raises(MalformedPayload, match=r"header\.msg_"):
        CODEC.decode(f'{{"header":{header}}}'.encode(), text=True)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_binary_payload_without_room_for_a_count_is_refused(size):
    with pytest.raises(MalformedPayload, match="too few for a buffer count"):
        CODEC.decode(bytes(size), text=False)


@pytest.mark.parametrize("count", [0, 15, 10**7, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_count_that_the_payload_cannot_hold_is_refused_before_it_costs_anything(count):
    payload = struct.pack("!I", count).ljust(60, b"\0")

    def decode() -> None:
        with pytest.raises(MalformedPayload, match=f"claims {count} parts"):
            CODEC.decode(payload, text=False)

    assert peak_of(decode) < 100_000


def test_more_buffers_than_anyone_sends_are_refused_before_they_cost_anything():
    def with_buffers(count: int) -> bytes:
        body = f"{{{REQUEST}}}".encode()
        start = 4 * (count + 2)
        offsets = [start, *[start + len(body)] * count]
        return with_offsets(*offsets, size=start) + body

    most = message_in(with_buffers(MAX_BUFFERS), text=False)
    assert len(most.buffers) == MAX_BUFFERS
    more = with_buffers(MAX_BUFFERS + 1)

    def decode() -> None:
        with pytest.raises(MalformedPayload, match=f"at most {1 + MAX_BUFFERS}$"):
            CODEC.decode(more, text=False)

    assert peak_of(decode) < 100_000


@pytest.mark.parametrize(
    ("offsets", "why"),
    [
        ((0,), "first offset is 0, but has to be 8"),
        ((9,), "first offset is 9, but has to be 8"),
        ((12, 61), "offset 61 has to lie between 12 and the payload's end at 60"),
        ((12, 11), "offset 11 has to lie between 12"),
        ((16, 50, 40), "offset 40 has to lie between 50"),
    ],
)
def test_offsets_that_lie_are_named(offsets, why):
    with pytest.raises(MalformedPayload, match=why):
        CODEC.decode(with_offsets(*offsets), text=False)


# What a kernel may send that this format cannot hold


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"a":"\xff"}', nested(100_000)])
def test_a_kernels_header_that_cannot_be_read_is_the_kernels_mistake(header):
    with pytest.raises(KernelMessageError, match=r"^header is "):
        CODEC.encode(message("x")._replace(header=header))


def test_a_kernels_header_without_id_and_type_is_carried_all_the_same():
    got = text_of(message("x")._replace(header=b"{}"))
    assert got["msg_id"] is None
    assert got["msg_type"] is None


@pytest.mark.parametrize("place", range(4))
def test_an_echo_that_is_no_json_does_not_fit_this_format(place):
    """A client of the other format may have asked for it."""
    parts = [b"{}"] * 4
    parts[place] = b"no JSON"
    with pytest.raises(KernelMessageError, match="is not JSON"):
        CODEC.encode(Message._make([Channel.HB, *parts, ()]))


def test_an_echo_of_nothing_is_one_of_empty_objects():
    got = text_of(Message(Channel.HB, b"", b"", b"", b'{"n":1}'))
    assert (got["channel"], got["header"], got["content"]) == ("hb", {}, {"n": 1})


def test_utf8_reaches_the_client_as_the_kernel_wrote_it():
    content = '{"text":"caf\u00e9 \N{GRINNING FACE}"}'.encode()
    payload = CODEC.encode(message("stream")._replace(content=content))
    assert content in bytes(payload.chunks[0])


def test_bytes_that_are_not_utf8_are_replaced_because_a_text_frame_may_not_hold_them():
    sent = message("stream")._replace(content=b'{"text":"a\xffb"}')
    got = text_of(sent)
    assert got["content"] == {"text": "a\ufffdb"}


def test_buffers_beyond_the_reach_of_an_offset_are_the_kernels_mistake():
    # The same 256 MiB of zeros sixteen times over: views, so that nothing of it is copied.
    zeros = memoryview(bytes(2**28))
    with pytest.raises(KernelMessageError, match="over 4 GiB"):
        CODEC.encode(message("comm_msg")._replace(buffers=(zeros,) * 17))


def test_a_last_buffer_that_begins_within_reach_is_carried():
    zeros = memoryview(bytes(2**28))
    payload = CODEC.encode(message("comm_msg")._replace(buffers=(zeros,) * 16))
    assert sum(map(len, payload.chunks)) > 2**32


# Fuzzers


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_message_or_the_clients_mistake(payload, text):
    with suppress(ClientError):
        assert isinstance(CODEC.decode(payload, text), Request)


@settings(max_examples=400)
@given(mutations([reference(right) for right in some_messages]))
def test_any_mutated_binary_payload_is_a_message_or_the_clients_mistake(payload):
    with suppress(ClientError):
        assert isinstance(CODEC.decode(payload, text=False), Request)


@settings(max_examples=400)
@given(mutations([json.dumps(fields_of(right)).encode() for right in some_messages]))
def test_any_mutated_text_is_a_message_or_the_clients_mistake(payload):
    with suppress(ClientError):
        assert isinstance(CODEC.decode(payload, text=True), Request)

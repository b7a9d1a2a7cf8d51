"""The ids of messages are read, whatever else is in them."""

from __future__ import annotations

import pytest

from w2z.message import Channel, Message
from w2z.wire.heads import Head, HeadReader, execution_state


def message(header: bytes, parent: bytes = b"{}") -> Message:
    return Message(Channel.IOPUB, header, parent, b"{}", b"{}")


def test_ids_and_type_are_read():
    reader = HeadReader()
    one = message(b'{"msg_id":"1","msg_type":"stream","x":[1]}', b'{"msg_id":"p","date":""}')
    assert reader.read(one) == Head("1", "stream", "p")
    assert reader.read(one) == Head("1", "stream", "p")
    assert reader.read(message(b'{"msg_id":"2","msg_type":"x"}')) == Head("2", "x", "")


@pytest.mark.parametrize("text", [b"", b"[]", b'{"msg_id":1}', b"\xff", b"{" + b'"a":[' * 2000])
def test_what_cannot_be_read_has_no_ids(text):
    assert HeadReader().read(message(text, text)) == Head("", "", "")


def test_the_state_is_read():
    assert execution_state(b'{"execution_state":"idle"}') == "idle"
    assert execution_state(b'{"execution_state":1}') == ""
    assert execution_state(b"{}") == ""

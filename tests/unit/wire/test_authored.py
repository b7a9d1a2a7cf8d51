"""w2z's own messages, in the shape Jupyter's clients read."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from jupyter_client.jsonutil import parse_date
from jupyter_client.session import Session

from w2z.message import Channel, Message
from w2z.wire.authored import PROTOCOL_VERSION, header, stream, timestamp

NOON = datetime(2026, 11, 22, 12, 0, 0, 0, UTC)


def test_a_timestamp_has_six_digits_even_when_they_are_zero():
    assert timestamp(NOON) == "2026-11-22T12:00:00.000000Z"


@pytest.mark.parametrize("hours", [-5, 0, 2])
def test_a_timestamp_is_utc_wherever_the_clock_hangs(hours):
    local = NOON.astimezone(timezone(timedelta(hours=hours)))
    assert timestamp(local) == timestamp(NOON)


def test_jupyter_reads_a_timestamp_as_the_same_moment():
    moment = NOON.replace(microsecond=123456)
    assert parse_date(timestamp(moment)) == moment


def test_a_header_has_the_fields_of_jupyters_own():
    got = json.loads(header("status", "id", "session", NOON))
    assert got.keys() == Session(key=b"").msg("status")["header"].keys()
    assert got == {
        "msg_id": "id",
        "msg_type": "status",
        "username": "w2z",
        "session": "session",
        "date": "2026-11-22T12:00:00.000000Z",
        "version": PROTOCOL_VERSION,
    }


def test_stderr_output_belongs_to_the_parent_given():
    got = stream("stderr", b'{"msg_type":"stream"}', b'{"msg_id":"parent"}', "caf\u00e9\n")
    content = '{"name":"stderr","text":"caf\u00e9\\n"}'.encode()
    assert got == Message(
        Channel.IOPUB, b'{"msg_type":"stream"}', b'{"msg_id":"parent"}', b"{}", content
    )

"""w2z's own messages, in the shape Jupyter's clients read."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from jupyter_client.jsonutil import parse_date
from jupyter_client.session import Session

from tests.unit.examples import decoded, request
from w2z.message import Channel, Message
from w2z.wire.authored import PROTOCOL_VERSION, answer, failure, header, stream, timestamp

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


# Answers


def typed(msg_type: str) -> bytes:
    """A header that has nothing but its type."""
    return json.dumps({"msg_type": msg_type}).encode()


@pytest.mark.parametrize("channel", [Channel.SHELL, Channel.CONTROL])
def test_an_answer_is_a_reply_on_the_channel_of_its_request_and_an_idle(channel):
    asked = request("complete_request", "1", channel=channel)
    parent = asked.message.header
    assert answer(asked, b'{"status":"ok"}', typed) == [
        Message(channel, typed("complete_reply"), parent, b"{}", b'{"status":"ok"}'),
        Message(Channel.IOPUB, typed("status"), parent, b"{}", b'{"execution_state":"idle"}'),
    ]


def test_a_reply_is_named_after_its_request_and_no_more():
    asked = request("x_request_y_request")
    assert answer(asked, b"{}", typed)[0].header == typed("x_request_y_reply")


def test_a_failure_says_why_in_the_reply():
    asked = request("complete_request")
    reply, idle = failure(asked, "Name", "why", typed)
    assert decoded(reply.content) == {
        "status": "error",
        "ename": "Name",
        "evalue": "why",
        "traceback": ["Name: why"],
    }
    assert [reply, idle] == answer(asked, reply.content, typed)


def test_a_failure_of_code_is_an_output_of_it_as_well():
    asked = request("execute_request")
    error, *rest = failure(asked, "Name", "why", typed)
    assert error[:4] == (Channel.IOPUB, typed("error"), asked.message.header, b"{}")
    assert decoded(error.content) == {
        "ename": "Name",
        "evalue": "why",
        "traceback": ["Name: why"],
    }
    assert rest == answer(asked, rest[0].content, typed)
    assert decoded(rest[0].content) == {"status": "error", **decoded(error.content)}

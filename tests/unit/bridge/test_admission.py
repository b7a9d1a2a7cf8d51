"""Which requests no kernel gets, and which wait until the kernel can ask for input."""

from __future__ import annotations

import pytest

from tests.unit.examples import request
from w2z.bridge.admission import MAX_HEARTBEAT, NEVER_ASK, check, may_ask
from w2z.errors import MessageTooBig, NotAllowed
from w2z.message import Channel


@pytest.mark.parametrize("channel", [one for one in Channel if one is not Channel.IOPUB])
def test_clients_may_send_on_every_channel_but_iopub(channel: Channel) -> None:
    check(request("x", channel=channel))


def test_nobody_sends_on_iopub() -> None:
    with pytest.raises(NotAllowed, match="from the kernel only"):
        check(request("x", channel=Channel.IOPUB))


@pytest.mark.parametrize("more", [0, 1])
def test_a_heartbeat_is_short(more: int) -> None:
    beat = request("x", channel=Channel.HB)._replace(payload=b"x" * (MAX_HEARTBEAT + more))
    if more:
        with pytest.raises(MessageTooBig, match="on hb"):
            check(beat)
    else:
        check(beat)


def test_a_heartbeat_in_parts_is_short_in_sum() -> None:
    beat = request("x", channel=Channel.HB)
    with pytest.raises(MessageTooBig, match="on hb"):
        check(beat._replace(message=beat.message._replace(content=b"x" * MAX_HEARTBEAT)))


@pytest.mark.parametrize("msg_type", ["execute_request", "comm_msg", "odd_request"])
def test_what_runs_code_may_ask(msg_type: str) -> None:
    assert may_ask(request(msg_type))


@pytest.mark.parametrize("msg_type", sorted(NEVER_ASK))
def test_what_runs_none_never_asks(msg_type: str) -> None:
    assert not may_ask(request(msg_type))


@pytest.mark.parametrize("channel", [Channel.CONTROL, Channel.STDIN])
def test_nothing_on_another_channel_asks(channel: Channel) -> None:
    assert not may_ask(request("execute_request", channel=channel))


def test_who_does_not_allow_it_is_not_asked() -> None:
    asked = request("execute_request")
    content = b'{"code": "input()", "allow_stdin": false}'
    assert not may_ask(asked._replace(message=asked.message._replace(content=content)))

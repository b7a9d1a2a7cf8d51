"""Which requests wait until the kernel can ask for input."""

from __future__ import annotations

import pytest

from tests.unit.examples import request
from w2z.bridge.asking import NEVER_ASK, may_ask
from w2z.message import Channel


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

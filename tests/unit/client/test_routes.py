"""Replies and questions find the local client that asked."""

import pytest

from w2z.client.routes import LONGEST_ID, Routes
from w2z.message import Channel

ANN, BOB = b"ann's identity", b"\0bob's"


def test_a_reply_goes_to_who_sent_its_request():
    routes = Routes()
    routes.add(Channel.SHELL, "1", ANN)
    routes.add(Channel.SHELL, "2", BOB)
    assert routes.find(Channel.SHELL, "1") == ANN
    assert routes.find(Channel.SHELL, "2") == BOB


def test_the_same_id_on_another_channel_is_another_request():
    routes = Routes()
    routes.add(Channel.SHELL, "1", ANN)
    routes.add(Channel.CONTROL, "1", BOB)
    assert routes.find(Channel.SHELL, "1") == ANN
    assert routes.find(Channel.CONTROL, "1") == BOB


@pytest.mark.parametrize("channel", [Channel.SHELL, Channel.CONTROL])
def test_a_question_goes_to_who_sent_the_code(channel):
    routes = Routes()
    routes.add(channel, "1", ANN)
    assert routes.find(Channel.STDIN, "1") == ANN


def test_of_code_on_both_channels_that_on_shell_asks():
    routes = Routes()
    routes.add(Channel.CONTROL, "1", BOB)
    routes.add(Channel.SHELL, "1", ANN)
    assert routes.find(Channel.STDIN, "1") == ANN


def test_what_answers_nothing_known_has_no_addressee():
    routes = Routes()
    routes.add(Channel.SHELL, "1", ANN)
    assert routes.find(Channel.SHELL, "2") is None
    assert routes.find(Channel.STDIN, "2") is None
    assert routes.find(Channel.SHELL, "") is None


def test_a_request_outlives_its_reply():
    routes = Routes()
    routes.add(Channel.SHELL, "1", ANN)
    assert [routes.find(Channel.SHELL, "1") for _ in range(3)] == [ANN] * 3


def test_the_oldest_goes_where_there_are_too_many():
    routes = Routes(most=2)
    for msg_id in ("1", "2", "1", "3"):
        routes.add(Channel.SHELL, msg_id, ANN)
    assert len(routes) == 2
    assert routes.find(Channel.SHELL, "1") == ANN, "it was sent again, and so became younger"
    assert routes.find(Channel.SHELL, "2") is None
    assert routes.find(Channel.SHELL, "3") == ANN


def test_a_very_long_id_takes_little_memory_and_is_found():
    routes = Routes()
    long = "x" * (10 * LONGEST_ID)
    routes.add(Channel.SHELL, long, ANN)
    assert routes.find(Channel.SHELL, long) == ANN
    [(_, kept)] = routes._senders
    assert len(kept) == LONGEST_ID

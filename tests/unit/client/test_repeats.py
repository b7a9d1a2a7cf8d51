"""What came before is known, and nothing else is taken for it."""

from __future__ import annotations

import json

import pytest

from tests.unit.client.examples import head, made, stream
from w2z.client.repeats import MOST_IDS, MOST_QUESTION_IDS, Repeats
from w2z.message import Channel, Message


def again(repeats: Repeats, message: Message) -> bool:
    return repeats.is_repeat(message, head(message))


def test_what_an_earlier_connection_brought_is_a_repeat():
    repeats = Repeats()
    message = stream("a", "r", "1")
    assert not again(repeats, message)
    repeats.opened(is_new=False)
    assert again(repeats, message)
    assert repeats.dropped == 1


def test_within_one_connection_an_id_may_come_twice():
    repeats = Repeats()
    assert not again(repeats, stream("a", "r", "1"))
    assert not again(repeats, stream("b", "r", "1"))


def test_a_session_that_knows_nothing_repeats_nothing():
    repeats = Repeats()
    repeats.ping(b"77")
    again(repeats, stream("a", "r", "1"))
    repeats.opened(is_new=True)
    assert not again(repeats, stream("a", "r", "1"))
    assert repeats.position is None


def test_a_ping_says_what_has_come_and_is_the_place_to_go_on():
    repeats = Repeats()
    repeats.ping(b"65536")
    repeats.ping(b"")
    repeats.ping(b"no position")
    repeats.ping(b"1" * 21)
    assert repeats.position == 65536


def test_what_came_between_the_last_two_pings_is_still_known():
    repeats = Repeats()
    again(repeats, stream("older", "r", "1"))
    repeats.ping(b"1")
    again(repeats, stream("recent", "r", "2"))
    repeats.opened(is_new=False)
    assert again(repeats, stream("older", "r", "1"))
    assert again(repeats, stream("recent", "r", "2"))


def test_what_came_before_them_is_not():
    repeats = Repeats()
    again(repeats, stream("old", "r", "0"))
    repeats.ping(b"1")
    again(repeats, stream("older", "r", "1"))
    repeats.ping(b"2")
    again(repeats, stream("recent", "r", "2"))
    repeats.opened(is_new=False)
    assert not again(repeats, stream("old", "r", "0"))


def test_the_first_news_ends_the_repeats():
    repeats = Repeats()
    again(repeats, stream("a", "r", "1"))
    repeats.opened(is_new=False)
    assert again(repeats, stream("a", "r", "1"))
    assert not again(repeats, stream("b", "r", "2"))
    assert not again(repeats, stream("a", "r", "1")), "a kernel may use an id again"


def test_parts_with_pings_do_not_end_them():
    """w2z lets a client that catches up answer a ping after a few messages each."""
    repeats = Repeats()
    for number in range(10):
        again(repeats, stream("a", "r", str(number)))
    repeats.opened(is_new=False)
    for number in range(10):
        assert again(repeats, stream("a", "r", str(number)))
        repeats.ping(b"%d" % number)


def test_what_w2z_writes_itself_does_not_end_them():
    repeats = Repeats()
    again(repeats, stream("a", "r", "1"))
    repeats.opened(is_new=False)
    own = stream("a", "r")._replace(header=b'{"msg_id":"x","username":"w2z"}')
    assert not again(repeats, own)
    assert not again(repeats, made("input_request", "q", "r", Channel.STDIN))
    assert again(repeats, stream("a", "r", "1"))


def test_ids_are_remembered_over_connections_that_bring_no_ping():
    repeats = Repeats()
    for number in range(5):
        assert all(again(repeats, stream("a", "r", str(n))) for n in range(number))
        assert not again(repeats, stream("a", "r", str(number)))
        repeats.opened(is_new=False)


def test_a_question_that_is_asked_again_is_a_repeat_however_long_ago():
    repeats = Repeats()
    question = made("input_request", "q", "r", Channel.STDIN)
    assert not again(repeats, question)
    for number in range(3):
        repeats.opened(is_new=False)
        repeats.ping(b"%d" % number)
        repeats.ping(b"%d" % number)
        assert again(repeats, question)
    repeats.opened(is_new=True)
    assert not again(repeats, question)


def test_a_gap_notice_is_known_although_its_id_is_new():
    repeats = Repeats()
    gap = {"w2z_gap": {"messages": 3, "bytes": 30}}
    again(repeats, made("stream", "1", "r", Channel.IOPUB, metadata=gap))
    repeats.opened(is_new=False)
    assert again(repeats, made("stream", "2", "r", Channel.IOPUB, metadata=gap))
    other = {"w2z_gap": {"messages": 4, "bytes": 30}}
    assert not again(repeats, made("stream", "3", "r", Channel.IOPUB, metadata=other))


def test_a_message_without_an_id_is_never_a_repeat():
    repeats = Repeats()
    message = stream("a", "r")._replace(header=json.dumps({}).encode())
    assert not again(repeats, message)
    repeats.opened(is_new=False)
    assert not again(repeats, message)


@pytest.mark.parametrize(("number", "is_known"), [(9, False), (10, True)])
def test_the_memory_is_bounded(number, is_known):
    repeats = Repeats()
    one = stream("a", "r")
    for each in range(MOST_IDS + 10):
        repeats.is_repeat(one, head(one)._replace(msg_id=str(each)))
    repeats.opened(is_new=False)
    assert repeats.is_repeat(one, head(one)._replace(msg_id=str(number))) == is_known


def test_so_many_questions_are_remembered():
    repeats = Repeats()
    questions = [made("input_request", f"q{n}", "r", Channel.STDIN) for n in range(20)]
    for question in questions:
        again(repeats, question)
    repeats.opened(is_new=False)
    assert [again(repeats, question) for question in questions].count(True) == MOST_QUESTION_IDS

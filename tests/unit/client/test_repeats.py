"""What came before is known, and nothing else is taken for it."""

from __future__ import annotations

import json

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
    again(repeats, stream("old", "r", "0"))
    repeats.ping(b"1")
    again(repeats, stream("older", "r", "1"))
    repeats.ping(b"2")
    again(repeats, stream("recent", "r", "2"))
    repeats.opened(is_new=False)
    assert not again(repeats, stream("old", "r", "0"))
    assert again(repeats, stream("older", "r", "1"))
    assert again(repeats, stream("recent", "r", "2"))


def test_two_pings_with_news_alone_before_them_end_the_repeats():
    repeats = Repeats()
    again(repeats, stream("a", "r", "1"))
    repeats.opened(is_new=False)
    assert again(repeats, stream("a", "r", "1"))
    repeats.ping(b"1")
    assert not again(repeats, stream("b", "r", "2"))
    repeats.ping(b"2")
    repeats.ping(b"2")  # nothing came
    assert again(repeats, stream("a", "r", "1"))
    repeats.ping(b"3")
    for number in (3, 4):
        assert not again(repeats, stream("b", "r", str(number)))
        repeats.ping(b"%d" % number)
    assert not again(repeats, stream("a", "r", "1"))


def test_repeats_do_not_end_however_many_pings_come_between_them():
    # A client that catches up is sent 16 messages and a ping, again and again.
    repeats = Repeats()
    numbers = [str(number) for number in range(100)]
    for number in numbers:
        again(repeats, stream("a", "r", number))
    for connection in range(3):
        repeats.opened(is_new=False)
        assert not again(repeats, stream("notice", "r", f"{connection} is new"))
        for number in numbers[connection:]:
            assert again(repeats, stream("a", "r", number))
            repeats.ping(b"%d" % connection)


def test_ids_are_remembered_over_connections_that_bring_no_ping():
    repeats = Repeats()
    for number in range(3):
        again(repeats, stream("a", "r", str(number)))
        repeats.opened(is_new=False)
    assert all(again(repeats, stream("a", "r", str(number))) for number in range(3))


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


def test_the_memory_is_bounded():
    repeats = Repeats()
    one = stream("a", "r")
    for number in range(MOST_IDS + 10):
        repeats.is_repeat(one, head(one)._replace(msg_id=str(number)))
    questions = [made("input_request", f"q{n}", "r", Channel.STDIN) for n in range(20)]
    for question in questions:
        again(repeats, question)
    repeats.opened(is_new=False)
    assert not repeats.is_repeat(one, head(one)._replace(msg_id="9"))
    assert repeats.is_repeat(one, head(one)._replace(msg_id="10"))
    assert [again(repeats, question) for question in questions].count(True) == MOST_QUESTION_IDS

"""Output that a local reader does not take, and what may go ahead of it."""

from w2z.client.waiting import (
    FIRST_TRY,
    LITTLE_OUTPUT,
    LOSES_AFTER,
    MOST_OUTPUT,
    OVERTAKES_AFTER,
    SLOWEST_TRY,
    Outgoing,
    Waiting,
)
from w2z.message import Channel


def output(name, size=1):
    return Outgoing(Channel.IOPUB, [name], size)


def reply(name, channel=Channel.SHELL):
    return Outgoing(channel, [name], 1)


def rest(waiting):
    """The names of what waits, in the order in which it leaves."""
    names = []
    while waiting:
        names.append(waiting.first().parts[0])
        waiting.sent()
    return b" ".join(names)


def filled(*outgoing):
    waiting = Waiting()
    for one in outgoing:
        waiting.add(one)
    return waiting


def test_order_is_kept_while_there_is_progress():
    waiting = filled(output(b"1"), reply(b"2"), output(b"3"), output(b"4"))
    waiting.refused(0)
    waiting.sent()
    waiting.refused(10)
    assert waiting.overtaking(10 + OVERTAKES_AFTER / 2) == []
    assert rest(waiting) == b"2 3 4"


def test_replies_go_ahead_when_all_stands_still():
    waiting = filled(output(b"1"), reply(b"2"), output(b"3"), reply(b"4", Channel.STDIN))
    assert waiting.overtaking(0) == [], "nothing was refused yet"
    waiting.refused(5)
    waiting.refused(6)
    ahead = waiting.overtaking(5 + OVERTAKES_AFTER)
    assert [one.parts[0] for one in ahead] == [b"2", b"4"]
    assert waiting.overtaking(100) == []
    assert rest(waiting) == b"1 3"


def test_it_is_tried_less_and_less_often_until_there_is_progress():
    waiting = filled(output(b"1"), output(b"2"))
    pauses = [waiting.refused(0) for _ in range(10)]
    assert pauses[:3] == [FIRST_TRY, 2 * FIRST_TRY, 4 * FIRST_TRY]
    assert pauses[-1] == SLOWEST_TRY
    waiting.sent()
    assert waiting.refused(0) == FIRST_TRY


def test_it_is_full_until_there_is_room_for_a_good_deal():
    waiting = filled(output(b"1", MOST_OUTPUT - LITTLE_OUTPUT), output(b"2", LITTLE_OUTPUT - 1))
    assert not waiting.is_full
    waiting.add(output(b"3", 1))
    assert waiting.is_full
    waiting.sent()
    assert waiting.is_full
    waiting.sent()
    assert not waiting.is_full


def test_what_went_ahead_makes_room():
    waiting = filled(output(b"1", MOST_OUTPUT - 1), reply(b"2"))
    assert waiting.is_full
    waiting.refused(0)
    waiting.overtaking(OVERTAKES_AFTER)
    waiting.sent()
    assert not waiting
    assert not waiting.is_full


def test_output_is_given_up_only_after_long_and_only_when_there_is_much():
    waiting = filled(output(b"1", MOST_OUTPUT - 1))
    waiting.refused(0)
    assert not waiting.is_lost(LOSES_AFTER)
    waiting.add(output(b"2", 1))
    assert not waiting.is_lost(LOSES_AFTER - 1)
    assert waiting.is_lost(LOSES_AFTER)
    waiting.sent()
    assert not waiting.is_lost(LOSES_AFTER)

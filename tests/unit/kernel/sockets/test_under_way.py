"""The bytes that sockets were given and libzmq still has."""

from __future__ import annotations

from dataclasses import dataclass

from w2z.kernel.sockets.under_way import BYTES_MARK, FOLLOW_EVERY, UnderWay, total


@dataclass
class Followed:
    done: bool = False


def test_a_large_message_counts_until_libzmq_has_let_go_of_it():
    sockets: set[UnderWay] = set()
    under_way, message = UnderWay(sockets), Followed()
    assert under_way.wants(BYTES_MARK)
    under_way.sent(BYTES_MARK, message)
    assert (under_way.is_full, total(sockets)) == (True, BYTES_MARK)
    message.done = True
    assert (under_way.is_full, total(sockets)) == (False, 0)
    assert sockets == set()


def test_small_messages_count_together():
    under_way, last = UnderWay(set()), Followed()
    for _ in range(FOLLOW_EVERY // 1000):
        assert not under_way.wants(1000)
        under_way.sent(1000, None)
    assert under_way.size == 0, "fewer than are followed"
    assert under_way.wants(1000)
    under_way.sent(1000, last)
    assert under_way.size > FOLLOW_EVERY
    assert not under_way.wants(1000)
    last.done = True
    assert under_way.size == 0


def test_messages_leave_in_their_order():
    under_way, first, second = UnderWay(set()), Followed(), Followed()
    under_way.sent(BYTES_MARK, first)
    under_way.sent(BYTES_MARK, second)
    second.done = True
    assert under_way.size == 2 * BYTES_MARK
    first.done = True
    assert under_way.size == 0


def test_all_sockets_have_their_sum():
    sockets: set[UnderWay] = set()
    one, other = UnderWay(sockets), UnderWay(sockets)
    messages = [Followed(), Followed()]
    one.sent(100_000, messages[0])
    other.sent(200_000, messages[1])
    assert total(sockets) == 300_000
    messages[0].done = True
    assert total(sockets) == 200_000
    assert sockets == {other}

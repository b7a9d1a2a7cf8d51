"""Replies that wait for output: in their order, no longer than they have to, and not too many.

Invariant of the property test: whatever comes when, replies are due in the order in which they
arrived, each at the latest when iopub has given as much as it waits for.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.sockets.held import MAX_HELD, MAX_HELD_SIZE, HeldReplies


def held(*turns: int, size: int = 1) -> HeldReplies:
    """Replies that wait for so many messages of iopub."""
    made = HeldReplies()
    for turn in turns:
        made.add(turn, size, lambda: None)
    return made


def due(replies: HeldReplies, received: int, *, is_emptied: bool = False) -> list[int]:
    return [one.turn for one in replies.due(received, is_emptied=is_emptied)]


def test_a_reply_waits_for_what_iopub_may_hold():
    replies = held(10)
    assert replies
    assert due(replies, 9) == []
    assert due(replies, 10) == [10]
    assert not replies


def test_and_no_longer_than_iopub_holds_anything():
    assert due(held(10, 20), 0, is_emptied=True) == [10, 20]


def test_of_too_many_the_oldest_wait_no_longer():
    replies = held(*range(100, 100 + MAX_HELD + 2))
    assert due(replies, 0) == [100, 101]


def test_of_too_large_ones_neither():
    replies = held(1, 2, size=MAX_HELD_SIZE)
    assert due(replies, 0) == [1]
    # What has gone counts no more.
    assert due(replies, 0) == []


def test_what_is_carried_may_bring_more():
    replies = held(1)
    replies.add(1, 1, lambda: replies.add(3, 1, lambda: None))
    for one in replies.due(2, is_emptied=False):
        one.carry()
    assert due(replies, 3) == [3]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans())))
def test_the_order_is_kept(steps):
    replies, received = HeldReplies(), 0
    waiting: list[int] = []
    gone: list[int] = []
    for more, ahead, is_emptied in steps:
        received += more
        # Each waits for at least as much as the one before it: iopub gives no less by then.
        waiting.append(max(received + ahead, waiting[-1] if waiting else 0))
        replies.add(waiting[-1], 1, lambda: None)
        gone += due(replies, received, is_emptied=is_emptied)
        assert gone == waiting[: len(gone)]
        assert all(turn > received for turn in waiting[len(gone) :])

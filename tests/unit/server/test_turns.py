"""When a websocket is read on that has sent too many frames which carry little."""

from __future__ import annotations

import pytest

from w2z.server.turns import LITTLE_A_SECOND, LITTLE_AT_ONCE, Turns


def test_a_burst_is_read_at_once():
    turns = Turns(100.0)
    assert turns.wait(LITTLE_AT_ONCE, 100.0) == 0


def test_what_goes_beyond_the_burst_takes_its_time():
    turns = Turns(100.0)
    assert turns.wait(LITTLE_AT_ONCE + LITTLE_A_SECOND // 2, 100.0) == pytest.approx(0.5)
    assert turns.wait(LITTLE_AT_ONCE + LITTLE_A_SECOND // 2, 100.5) == pytest.approx(0)


def test_frames_are_counted_once():
    turns = Turns(100.0)
    turns.wait(LITTLE_AT_ONCE, 100.0)
    assert turns.wait(LITTLE_AT_ONCE, 100.0) == 0
    assert turns.wait(LITTLE_AT_ONCE + 1, 100.0) > 0


def test_as_many_as_are_allowed_never_wait():
    turns = Turns(100.0)
    assert all(turns.wait(n * LITTLE_A_SECOND, 100.0 + n) == 0 for n in range(1, 100))


def test_after_a_silence_no_more_than_a_burst_is_read_at_once():
    turns = Turns(100.0)
    assert turns.wait(LITTLE_AT_ONCE + 10, 1000.0) > 0


def test_who_sends_nothing_that_carries_little_never_waits():
    turns = Turns(100.0)
    turns.wait(1, 100.0)
    assert turns.wait(1, 101.0) == 0
    assert turns.counted == 1

"""When to restart a kernel: a clock that only the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.keeping.policy import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RESTART_WINDOW,
    RestartPolicy,
    describe,
    exit_code,
)

# Restarts


def test_the_first_restart_is_at_once_and_each_further_one_later():
    policy = RestartPolicy(8)
    pauses = [policy.on_crash(float(second)) for second in range(9)]
    assert pauses == [0.0, FIRST_PAUSE, 1.0, 2.0, 4.0, LONGEST_PAUSE, 8.0, 8.0, None]


def test_a_kernel_that_gives_up_is_given_up_until_the_window_is_over():
    policy = RestartPolicy(2)
    assert [policy.on_crash(now) for now in (0.0, 1.0)] == [0.0, FIRST_PAUSE]
    assert policy.on_crash(RESTART_WINDOW - 0.1) is None
    # The first crash is forgotten then, the second is not.
    assert policy.on_crash(RESTART_WINDOW) == FIRST_PAUSE
    assert policy.on_crash(RESTART_WINDOW) is None


def test_crashes_a_window_apart_are_each_the_first():
    policy = RestartPolicy(1)
    for turn in range(5):
        assert policy.on_crash(turn * RESTART_WINDOW) == 0.0


def test_without_restarts_the_first_crash_is_the_end():
    assert RestartPolicy(0).on_crash(0.0) is None


crashes = st.lists(st.floats(0, RESTART_WINDOW / 2), max_size=60)
"""Seconds from each crash to the next."""


@given(st.integers(0, 9), crashes)
def test_no_window_has_more_restarts_than_the_limit(limit, gaps):
    policy, now = RestartPolicy(limit), 0.0
    restarts: list[float] = []
    for gap in gaps:
        now += gap
        pause = policy.on_crash(now)
        recent = [then for then in restarts if then > now - RESTART_WINDOW]
        # Given up exactly when the window is full.
        assert (pause is None) is (len(recent) >= limit)
        if pause is not None:
            assert 0 <= pause <= LONGEST_PAUSE
            assert (pause == 0) is (not recent)
            restarts.append(now)


# How a process ended


@pytest.mark.parametrize(
    ("code", "told", "shells"),
    [
        (0, "ended with exit code 0", 0),
        (3, "ended with exit code 3", 3),
        (-15, "was killed by signal 15 (SIGTERM)", 143),
        (-9, "was killed by signal 9 (SIGKILL), perhaps for lack of memory", 137),
        (-11, "was killed by signal 11 (SIGSEGV)", 139),
        (-63, "was killed by signal 63", 191),
    ],
)
def test_the_end_of_a_process_is_told_and_passed_on_as_shells_do(code, told, shells):
    assert describe(code) == told
    assert exit_code(code) == shells


@given(st.integers(-64, 255))
def test_no_end_by_a_signal_looks_like_success(code):
    assert (exit_code(code) == 0) is (code == 0)
    assert 0 <= exit_code(code) <= 255
    assert str(abs(code)) in describe(code)

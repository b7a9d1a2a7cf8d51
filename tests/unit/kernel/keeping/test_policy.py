"""When to restart a kernel, and when to call it dead: clocks that only the test moves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.keeping.policy import (
    BEAT_EVERY,
    BEATS_MISSED,
    DEAD_AFTER,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PROBE_EVERY,
    RESTART_WINDOW,
    Liveness,
    Pulse,
    RestartPolicy,
    Suspicion,
    describe,
    exit_code,
)

SUSPECTED_AFTER = BEAT_EVERY * (BEATS_MISSED + 1)
"""Seconds after its last echo in which a kernel is suspected at the earliest."""

NOTHING, BEAT, PROBE = Suspicion.NONE, Suspicion.BEAT, Suspicion.PROBE


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


# Suspicion


def ready_at(now: float) -> Liveness:
    """The liveness of a kernel that is ready at that time, and has a heartbeat."""
    kernel = Liveness(now)
    kernel.on_there()
    kernel.on_echo()
    return kernel


def lost_at(now: float) -> Liveness:
    """The liveness of a kernel that hung up at that time."""
    kernel = ready_at(now)
    kernel.on_lost(now)
    return kernel


def asked(kernel: Liveness, *moments: float) -> list[Suspicion]:
    return [kernel.poll(moment) for moment in moments]


def test_heartbeats_are_sent_in_their_interval():
    kernel = ready_at(100.0)
    assert asked(kernel, 100.0, 102.9, 103.0, 103.1, 105.9, 106.0) == [
        BEAT,
        NOTHING,
        BEAT,
        NOTHING,
        NOTHING,
        BEAT,
    ]


def test_a_kernel_that_missed_its_beats_is_suspected_until_it_echoes():
    kernel = ready_at(0.0)
    beats = [n * BEAT_EVERY for n in range(BEATS_MISSED + 3)]
    assert asked(kernel, *beats) == [BEAT] * BEATS_MISSED + [PROBE] * 3
    assert not kernel.is_gone
    kernel.on_echo()
    assert asked(kernel, beats[-1] + BEAT_EVERY) == [BEAT]


def test_a_kernel_that_never_echoed_is_not_suspected():
    """Some kernels have no heartbeat."""
    kernel = Liveness(0.0)
    kernel.on_there()
    assert set(asked(kernel, *(n * BEAT_EVERY for n in range(20)))) == {BEAT}


def test_one_that_hung_up_is_probed_when_it_is_late_and_then_every_second():
    kernel = lost_at(0.0)
    assert kernel.is_gone
    assert asked(kernel, 0.0, DEAD_AFTER - 0.1) == [NOTHING, NOTHING]
    late = DEAD_AFTER
    assert asked(kernel, late, late + 0.5, late + PROBE_EVERY, late + 1.5) == [
        PROBE,
        NOTHING,
        PROBE,
        NOTHING,
    ]


def test_one_that_refuses_when_it_is_late_is_dead_once():
    kernel = lost_at(0.0)
    assert not kernel.on_refused(DEAD_AFTER - 0.1)
    assert kernel.on_refused(DEAD_AFTER)
    assert not kernel.on_refused(DEAD_AFTER + 1)
    assert set(asked(kernel, *(DEAD_AFTER + n for n in range(10)))) == {NOTHING}


def test_one_that_refuses_without_having_hung_up_has_hung_up_now():
    kernel = ready_at(0.0)
    assert not kernel.on_refused(SUSPECTED_AFTER)
    assert kernel.is_gone
    assert asked(kernel, SUSPECTED_AFTER + DEAD_AFTER - 0.1) == [NOTHING]
    assert asked(kernel, SUSPECTED_AFTER + DEAD_AFTER) == [PROBE]
    assert kernel.on_refused(SUSPECTED_AFTER + DEAD_AFTER)


@pytest.mark.parametrize("is_dead", [False, True])
def test_the_next_kernel_comes_after_one_that_was_gone_and_can_die_itself(is_dead):
    kernel = lost_at(0.0)
    if is_dead:
        assert kernel.on_refused(DEAD_AFTER)
    assert kernel.on_there()
    assert not kernel.is_gone
    assert not kernel.on_there()
    kernel.on_lost(100.0)
    assert not kernel.on_refused(100.0)
    assert kernel.on_refused(100.0 + DEAD_AFTER)


def test_hanging_up_is_news_once():
    kernel = ready_at(0.0)
    assert kernel.on_lost(1.0)
    assert not kernel.on_lost(2.0)
    kernel.on_there()
    assert kernel.on_lost(3.0)


def test_hanging_up_again_while_gone_does_not_put_off_its_death():
    kernel = lost_at(0.0)
    assert not kernel.on_lost(DEAD_AFTER - 0.1)
    assert kernel.on_refused(DEAD_AFTER)


def test_one_that_never_was_there_has_not_begun_and_cannot_be_gone():
    kernel = Liveness(0.0)
    assert not kernel.on_lost(1.0)
    assert not kernel.is_gone
    assert not kernel.on_refused(1000.0)
    assert not kernel.on_there()


HAPPENINGS = ("ready", "lost", "echo", "refused", "open", "look")


@given(st.lists(st.tuples(st.sampled_from(HAPPENINGS), st.floats(0, 4)), max_size=80))
def test_dead_is_said_of_a_ready_kernel_that_refuses_late_and_once(happened):
    """Whatever happens: looked after as w2z does, with ports that are open or refuse."""
    kernel, now, refuses = Liveness(0.0), 0.0, False
    was_ready, gone_since, is_dead = False, math.inf, False
    for event, seconds in happened:
        now += seconds
        if event == "ready":
            assert kernel.on_there() is (gone_since < math.inf)
            was_ready, gone_since, is_dead = True, math.inf, False
        elif event == "lost":
            kernel.on_lost(now)
            gone_since = min(gone_since, now) if was_ready else math.inf
        elif event == "echo":
            kernel.on_echo()
        elif event in ("refused", "open"):
            refuses = event == "refused"
        elif kernel.poll(now) is PROBE and refuses:
            assert not is_dead, "who is dead is not probed"
            gone_since = min(gone_since, now) if was_ready else math.inf
            is_dead = kernel.on_refused(now)
            assert is_dead is (now >= gone_since + DEAD_AFTER)
        assert kernel.is_gone is (gone_since < math.inf)


@given(st.lists(st.tuples(st.sampled_from(["ready", "lost", "echo"]), st.floats(0, 4))))
def test_who_does_not_refuse_is_watched_for_ever(happened):
    """Neither silence nor hanging up is death: there is always a next look."""
    kernel, now = Liveness(0.0), 0.0
    for event, seconds in happened:
        now += seconds
        kernel.poll(now)
        {"ready": kernel.on_there, "echo": kernel.on_echo}.get(event, lambda: None)()
        if event == "lost":
            kernel.on_lost(now)
    assert kernel.poll(now + BEAT_EVERY + DEAD_AFTER + PROBE_EVERY) is not NOTHING


@given(st.lists(st.floats(0, 1), max_size=60), st.booleans())
def test_looking_often_asks_no_more_often(gaps, is_gone):
    kernel = lost_at(0.0) if is_gone else ready_at(0.0)
    now, done = 0.0, []
    for gap in gaps:
        now += gap
        if kernel.poll(now) is not NOTHING:
            done.append(now)
    pause = PROBE_EVERY if is_gone else BEAT_EVERY
    assert len(done) <= now / pause + 1


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


# Heartbeats


def test_a_heart_that_never_beat_is_not_missed():
    pulse = Pulse()
    for _ in range(10):
        pulse.on_beat()
    assert not pulse.is_missed


def test_one_that_beat_is_missed_after_some_that_were_not_answered():
    pulse = Pulse()
    pulse.on_beat()
    pulse.on_echo()
    missed = []
    for _ in range(BEATS_MISSED + 1):
        missed.append(pulse.is_missed)
        pulse.on_beat()
    assert missed == [False] * (BEATS_MISSED + 1)
    assert pulse.is_missed
    pulse.on_echo()
    assert not pulse.is_missed

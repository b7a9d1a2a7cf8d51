"""Heartbeats and tries of the ports: a dialogue with a clock that only the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.actions import Beat, Found, Probe
from w2z.kernel.presence import BEATS_MISSED, Presence, Pulse
from w2z.timing import Timing

TIMING = Timing()
BEAT, TRY = TIMING.beat_every, TIMING.probe_every


def attached() -> Presence:
    """Of a kernel whose end only its ports tell."""
    return Presence(0.0, TIMING, tries_ports=True)


def owned() -> Presence:
    """Of a kernel whose process tells when it ends."""
    return Presence(0.0, TIMING, tries_ports=False)


def missed(kernel: Presence) -> float:
    """A heartbeat that answered once, and then no more; the time of the first beat overdue."""
    kernel.pulse.on_echo()
    for n in range(BEATS_MISSED):
        assert kernel.beat(n * BEAT) == [Beat()]
    return BEATS_MISSED * BEAT


# Heartbeats.


def test_a_heart_that_never_beat_is_not_missed():
    pulse = Pulse()
    for _ in range(10):
        pulse.on_beat()
    assert not pulse.is_missed


def test_one_that_beat_is_missed_after_some_that_were_not_answered():
    pulse = Pulse()
    pulse.on_beat()
    pulse.on_echo()
    found = []
    for _ in range(BEATS_MISSED + 1):
        found.append(pulse.is_missed)
        pulse.on_beat()
    assert found == [False] * (BEATS_MISSED + 1)
    assert pulse.is_missed
    pulse.on_echo()
    assert not pulse.is_missed


def test_one_that_is_forgiven_is_missed_as_late_as_at_first():
    pulse = Pulse()
    pulse.on_echo()
    for _ in range(BEATS_MISSED + 1):
        pulse.on_beat()
    pulse.forgive()
    assert not pulse.is_missed
    for _ in range(BEATS_MISSED + 1):
        pulse.on_beat()
    assert pulse.is_missed


def test_heartbeats_are_sent_in_their_interval():
    kernel = attached()
    times = [0.0, BEAT - 0.1, BEAT, BEAT + 0.1, 2 * BEAT - 0.1, 2 * BEAT]
    assert [kernel.beat(now) for now in times] == [[Beat()], [], [Beat()], [], [], [Beat()]]


def test_a_kernel_that_missed_its_beats_has_its_ports_tried_until_it_echoes():
    kernel = attached()
    now = missed(kernel)
    assert kernel.beat(now) == [Beat(), Probe(0)]
    assert kernel.beat(now + BEAT) == [Beat(), Probe(0)]
    kernel.pulse.on_echo()
    assert kernel.beat(now + 2 * BEAT) == [Beat()]


def test_an_owned_one_has_not():
    kernel = owned()
    assert kernel.beat(missed(kernel)) == [Beat()]
    assert kernel.pulse.is_missed


# Tries of the ports.


def test_ports_are_tried_in_their_interval():
    kernel = attached()
    times = [0.0, TRY - 0.1, TRY, 2 * TRY - 0.1, 2 * TRY]
    assert [kernel.search(now) for now in times] == [[Probe(0)], [], [Probe(0)], [], [Probe(0)]]


def test_those_of_an_owned_kernel_are_not():
    assert owned().search(0.0) == []


@pytest.mark.parametrize("is_known", [False, True])
def test_nobody_has_been_there_since_the_first_refusal(is_known):
    kernel = attached()
    found = [kernel.on_probe(0, Found.REFUSED, now, is_known=is_known) for now in (1.0, 2.0, 4.5)]
    assert found == [0.0, 1.0, 3.5]


@pytest.mark.parametrize("is_known", [False, True])
def test_who_listens_is_there_and_refusals_begin_anew(is_known):
    kernel = attached()
    assert kernel.on_probe(0, Found.REFUSED, 1.0, is_known=is_known) == 0.0
    assert kernel.on_probe(0, Found.LISTENING, 2.0, is_known=is_known) is None
    assert kernel.on_probe(0, Found.REFUSED, 3.0, is_known=is_known) == 0.0


def test_no_answer_is_a_refusal_where_nobody_is_known_to_be_there():
    kernel = attached()
    assert kernel.on_probe(0, Found.NO_ANSWER, 1.0, is_known=False) == 0.0
    assert kernel.on_probe(0, Found.NO_ANSWER, 2.0, is_known=False) == 1.0


def test_no_answer_of_a_known_kernel_says_nothing():
    kernel = attached()
    assert kernel.on_probe(0, Found.REFUSED, 1.0, is_known=True) == 0.0
    assert kernel.on_probe(0, Found.NO_ANSWER, 2.0, is_known=True) is None
    assert kernel.on_probe(0, Found.REFUSED, 3.0, is_known=True) == 0.0


@pytest.mark.parametrize("found", Found)
def test_a_try_that_was_overtaken_is_void(found):
    kernel = attached()
    kernel.forget_tries()
    assert kernel.on_probe(0, found, 1.0, is_known=False) is None
    assert kernel.search(1.0) == [Probe(1)]
    assert kernel.on_probe(1, Found.REFUSED, 2.0, is_known=False) == 0.0


# Other sockets, or the same.


def test_nothing_is_held_against_whoever_is_there_next():
    kernel = attached()
    now = missed(kernel)
    assert kernel.beat(now) == [Beat(), Probe(0)]
    assert kernel.on_probe(0, Found.REFUSED, now, is_known=True) == 0.0
    kernel.begin_again(now + 0.1)
    assert not kernel.pulse.is_missed
    # What was asked for before is about the sockets of before.
    assert kernel.on_probe(0, Found.REFUSED, now + 0.2, is_known=True) is None
    assert kernel.search(now + 0.1) == [Probe(1)]
    assert kernel.on_probe(1, Found.REFUSED, now + 5, is_known=True) == 0.0


@given(st.lists(st.floats(0, 1), max_size=60), st.booleans())
def test_looking_often_asks_no_more_often(gaps, is_gone):
    kernel, now, done = attached(), 0.0, 0
    for gap in gaps:
        now += gap
        done += bool(kernel.search(now) if is_gone else kernel.beat(now))
    assert done <= now / (TRY if is_gone else BEAT) + 1

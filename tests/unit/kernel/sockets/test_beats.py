"""Which heartbeats of clients go to the kernel now: a dialogue with a clock that the test moves."""

from __future__ import annotations

from w2z.kernel.sockets.beats import ECHO_PATIENCE, MAX_PENDING_ECHOES, Beats


def test_a_beat_goes_at_once_and_its_echo_is_its_sessions():
    beats = Beats(ECHO_PATIENCE)
    number = beats.beat("a", b"1", 0.0)
    assert number is not None
    assert beats.echoed(number) == "a"
    assert beats.echoed(number) is None, "once"
    assert beats.next("a") is None


def test_a_second_beat_waits_for_the_echo_of_the_first():
    beats = Beats(ECHO_PATIENCE)
    number = beats.beat("a", b"1", 0.0)
    assert number is not None
    assert beats.beat("a", b"2", 1.0) is None
    assert beats.next("a") is None
    assert beats.echoed(number) == "a"
    assert beats.next("a") == b"2"
    assert beats.next("a") is None, "once"


def test_the_last_of_many_that_wait_is_sent():
    beats = Beats(ECHO_PATIENCE)
    number = beats.beat("a", b"1", 0.0)
    assert number is not None
    for payload in (b"2", b"3", b"4"):
        assert beats.beat("a", payload, 1.0) is None
    beats.echoed(number)
    assert beats.next("a") == b"4"


def test_sessions_do_not_wait_for_each_other():
    beats = Beats(ECHO_PATIENCE)
    assert beats.beat("a", b"1", 0.0) is not None
    assert beats.beat("b", b"1", 0.0) is not None


def test_patience_with_an_echo_ends():
    beats = Beats(ECHO_PATIENCE)
    first = beats.beat("a", b"1", 0.0)
    assert first is not None
    assert beats.beat("a", b"2", ECHO_PATIENCE - 0.1) is None
    second = beats.beat("a", b"3", ECHO_PATIENCE)
    assert second is not None
    assert beats.echoed(first) == "a", "a late echo is an echo"
    assert beats.beat("a", b"4", ECHO_PATIENCE + 1) is None, "the second one is still under way"
    assert beats.echoed(second) == "a"
    assert beats.next("a") == b"4"


def test_without_patience_none_waits():
    beats = Beats(0)
    assert None not in [beats.beat("a", b"1", 0.0) for _ in range(10)]


def test_the_oldest_echo_is_given_up_when_the_kernel_owes_too_many():
    beats = Beats(0)
    first, second, *_ = [beats.beat("a", b"1", 0.0) for _ in range(MAX_PENDING_ECHOES + 1)]
    assert first is not None
    assert second is not None
    assert beats.echoed(first) is None
    assert beats.echoed(second) == "a"


def test_of_a_session_that_is_gone_nothing_is_left():
    beats = Beats(ECHO_PATIENCE)
    number = beats.beat("a", b"1", 0.0)
    assert number is not None
    beats.beat("a", b"2", 0.0)
    beats.forget("a")
    assert beats.echoed(number) is None
    assert beats.next("a") is None
    assert beats.beat("a", b"3", 0.0) is not None

"""The life of kernels as a dialogue: what happens goes in, what there is to do comes out.

The clock is the test's: every event says when it is. The last test lets anything happen in any
order; what has to hold then is written above it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from w2z.kernel.actions import (
    Action,
    Announce,
    Ask,
    Beat,
    Found,
    Leave,
    Lose,
    Open,
    Probe,
    Relink,
    Settle,
    Suppose,
    Warn,
)
from w2z.kernel.life import Life
from w2z.kernel.presence import BEATS_MISSED
from w2z.kernel.transitions import READY, TAKES_REQUESTS, TRANSITIONS, Event, State
from w2z.message import Channel
from w2z.timing import Timing

TIMING = Timing()
OWN = "w2z"
SHELL, CONTROL = Channel.SHELL, Channel.CONTROL
ASKED = [Ask(SHELL), Ask(CONTROL)]
REPLACED = Lose("the kernel was replaced by another one")
RESTARTING = Announce("restarting", "another kernel has taken its place")
IDLE = Announce("idle")
ENDED: list[Action] = [Relink(), Announce("dead", "the kernel ended"), Lose("the kernel ended")]
NOBODY = "nobody listens where the connection file says"
NEVER_THERE: list[Action] = [Relink(), Announce("dead", NOBODY), Lose(NOBODY)]
NOBODY_YET = Warn("nobody listens at {shell} (shell)")
CUT_OFF = Warn("the kernel answers, but nobody can be reached at {iopub} (iopub)")
NO_SHELL = Warn("the kernel answers, but nobody can be reached at {shell} (shell)")


def attached() -> Life:
    """That of a kernel somebody else starts; w2z came at 0."""
    return Life(0.0, TIMING, is_owned=False, own_session=OWN)


def owned() -> Life:
    """That of a kernel w2z starts; its process was started at 0."""
    life = Life(0.0, TIMING, is_owned=True, own_session=OWN)
    assert life.on_started(0.0) == []
    return life


# Functions, because a type checker takes what an attribute was for what it is.


def state_of(life: Life) -> State:
    return life.state


def is_leaving(life: Life) -> bool:
    return life.is_leaving


def is_there(life: Life) -> bool:
    return life.is_there


def misses_beats(life: Life) -> bool:
    return life.misses_beats


both = pytest.mark.parametrize("new", [attached, owned])


def made_ready(life: Life, session: object = "one") -> Life:
    """It was asked at 0, and has answered at 1."""
    assert life.poll(0.0)[:2] == ASKED
    assert life.on_reached(0.5) == []
    assert life.on_info_reply(SHELL, session, 1.0) == [Settle(0.0)]
    assert life.on_iopub(1.0) == [Open()]
    assert state_of(life) is State.READY
    return life


def arrived(life: Life, session: object, now: float) -> list[Action]:
    """Somebody is there, is asked, answers, and speaks."""
    said = life.on_reached(now)
    said += [one for one in life.poll(now) if not isinstance(one, Ask)]
    said += [one for one in life.on_info_reply(SHELL, session, now) if not isinstance(one, Settle)]
    return said + life.on_iopub(now)


def gone(session: object = "one") -> Life:
    """It was ready and hung up at 2; its sockets were replaced at once."""
    life = made_ready(attached(), session)
    assert life.on_hung_up(2.0) == [Leave()]
    assert life.on_connected(2.0) == []
    assert state_of(life) is State.GONE
    return life


def dead(session: object = "one") -> Life:
    """It has not come back; clients know since 10."""
    life = gone(session)
    [probe] = [one for one in life.poll(10.0) if isinstance(one, Probe)]
    assert life.on_probe(probe.number, Found.REFUSED, 10.0) == ENDED
    assert life.on_connected(10.0) == []
    assert state_of(life) is State.DEAD
    return life


def ending(life: Life, session: object = "one") -> Life:
    """It was ready, and was told at 2 to give way to another."""
    made_ready(life, session)
    assert life.ask_to_end(2.0) == []
    assert life.expect_another(2.0) == []
    assert state_of(life) is State.ENDING
    return life


# The first kernel.


@both
def test_a_kernel_is_ready_when_it_has_answered_and_its_output_arrives(new):
    life = new()
    assert state_of(life) is State.STARTING
    assert not life.takes_requests
    assert life.poll(0.0)[:2] == ASKED
    assert life.on_reached(0.1) == []
    assert life.on_info_reply(SHELL, "one", 0.2) == [Settle(0.0)]
    assert not life.is_ready
    assert life.on_iopub(0.3) == [Open()]
    assert life.is_ready
    assert life.session == "one"


@both
def test_requests_go_to_the_first_kernel_as_soon_as_its_output_arrives(new):
    life = new()
    life.poll(0.0)
    assert life.on_iopub(0.1) == [Open()]
    assert state_of(life) is State.HEARD
    assert life.takes_requests
    assert not life.is_ready
    # Once: what comes then goes the same way.
    assert life.on_iopub(0.2) == []
    # Who asked what the kernel is was told to wait until it is known whether it is busy.
    assert life.on_info_reply(SHELL, "one", 0.3) == [Settle(0.0), Open()]
    assert life.is_ready


@both
def test_a_kernel_that_does_not_answer_is_asked_ever_more_slowly(new):
    life = new()
    life.on_reached(0.0)
    asked = [now for now in range(9) if set(ASKED) <= set(life.poll(float(now)))]
    assert asked == [0, 1, 3, 7]


@both
def test_one_that_is_ready_is_not_asked_any_more(new):
    life = made_ready(new())
    said = [one for now in range(2, 200) for one in life.poll(float(now))]
    assert set(said) == {Beat()}


@both
def test_one_that_is_silent_on_iopub_is_served_after_the_grace(new):
    life = new()
    life.poll(0.0)
    life.on_reached(0.1)
    assert life.on_info_reply(SHELL, "one", 0.2) == [Settle(0.0)]
    late = 0.2 + TIMING.grace
    assert life.poll(late - 0.1)[:2] == ASKED
    assert not life.is_silent(late - 0.1)
    # It answers whatever it is asked meanwhile.
    assert life.on_info_reply(SHELL, "one", late - 0.05) == [Settle(late - 0.1)]
    assert life.poll(late)[:1] == [Open()]
    assert state_of(life) is State.READY
    assert life.is_silent(late)


@both
def test_one_whose_iopub_is_not_reached_is_not_served_and_that_is_said_once(new):
    life = new()
    life.poll(0.0)
    life.on_info_reply(SHELL, "one", 0.2)
    said = [one for now in range(100) for one in life.poll(float(now)) if not isinstance(one, Ask)]
    assert [one for one in said if not isinstance(one, Probe)] == [CUT_OFF]
    assert state_of(life) is State.STARTING
    life.on_info_reply(SHELL, "one", 99.9)
    # Only now can its output arrive: it is asked once more, and its statuses tell.
    assert life.on_reached(100.0) == []
    assert life.poll(100.0)[:2] == ASKED
    assert life.on_iopub(100.1) == [Open()]


def test_one_that_is_reached_when_it_answers_no_more_is_busy():
    life = gone()
    assert life.poll(3.0) == ASKED
    life.on_info_reply(SHELL, "one", 3.1)
    assert life.poll(4.0) == ASKED
    assert life.on_iopub(4.0 + TIMING.shell_grace) == [Suppose(), Open()]
    assert state_of(life) is State.BUSY
    assert life.on_info_reply(SHELL, "one", 60.0) == [Settle(4.0)]
    assert state_of(life) is State.READY


def test_a_kernel_that_is_cut_off_says_so_before_anybody_is_silent():
    life = attached()
    life.on_info_reply(SHELL, "one", 0.0)
    assert not life.is_silent(1000.0)


def test_it_is_said_again_of_the_next_one():
    life = attached()
    for place in range(2):
        begun = 100.0 * place
        life.on_connected(begun)
        life.on_reached(begun)
        late = begun + TIMING.unanswered
        assert [one for one in life.poll(late) if not isinstance(one, Ask)] == [Suppose()]
        life.on_connected(begun + 10)
        life.on_info_reply(SHELL, "one", begun + 10)
        late = begun + 10 + TIMING.grace
        said = [one for one in life.poll(late) if not isinstance(one, Ask | Probe)]
        assert said == [CUT_OFF]


# Busy when w2z came.


@both
def test_one_that_answers_on_control_only_is_ready_and_busy_until_it_answers_on_shell(new):
    life = new()
    life.poll(0.0)
    life.on_reached(0.0)
    assert life.on_shell_reached(0.0, is_up=True) == []
    assert life.on_iopub(0.1) == [Open()]
    assert life.on_info_reply(CONTROL, "one", 0.2) == []
    assert life.poll(0.2 + TIMING.shell_grace)[:1] == [Suppose()]
    assert state_of(life) is State.BUSY
    assert life.is_ready
    # The question from then is answered at last.
    assert life.on_info_reply(SHELL, "one", 60.0) == [Settle(0.0)]
    assert state_of(life) is State.READY


def test_one_that_is_busy_and_was_not_heard_before_is_served_behind_that_word():
    life = attached()
    life.poll(0.0)
    life.on_shell_reached(0.1, is_up=True)
    life.on_info_reply(CONTROL, "one", 0.2)
    assert life.on_iopub(1.0) == [Suppose(), Open()]
    assert state_of(life) is State.BUSY


@both
def test_one_whose_shell_is_not_reached_is_not_ready_and_that_is_said_once(new):
    life = new()
    life.poll(0.0)
    life.on_reached(0.0)
    assert life.on_iopub(0.1) == [Open()]
    life.on_info_reply(CONTROL, "one", 0.2)
    said = [one for now in range(100) for one in life.poll(float(now))]
    assert [one for one in said if not isinstance(one, Ask | Beat)] == [NO_SHELL]
    assert not life.is_ready
    assert life.on_shell_reached(100.0, is_up=True) == [Suppose(), Open()]
    assert state_of(life) is State.BUSY


@both
def test_one_whose_shell_was_reached_and_is_not_any_more_is_not_called_busy(new):
    life = new()
    life.poll(0.0)
    life.on_shell_reached(0.0, is_up=True)
    life.on_iopub(0.1)
    life.on_info_reply(CONTROL, "one", 0.2)
    assert life.on_shell_reached(0.3, is_up=False) == []
    assert state_of(life) is State.HEARD
    assert Suppose() not in life.poll(100.0)


@both
def test_a_ready_kernel_stays_ready_while_its_shell_is_reached_again(new):
    life = made_ready(new())
    assert life.on_shell_reached(2.0, is_up=False) == []
    assert life.on_shell_reached(2.1, is_up=True) == []
    assert life.is_ready


def test_one_that_takes_connections_and_answers_nowhere_is_supposed_to_be_busy_once():
    life = attached()
    life.poll(0.0)
    life.on_reached(0.5)
    assert Suppose() not in life.poll(TIMING.unanswered - 0.1)
    assert life.poll(TIMING.unanswered)[-1:] == [Suppose()]
    assert Suppose() not in life.poll(TIMING.unanswered + 10)
    assert state_of(life) is State.STARTING
    assert life.on_info_reply(SHELL, "one", 30.0) == [Settle(0.0)]
    assert life.on_iopub(30.0) == [Open()]


def test_one_that_speaks_and_does_not_answer_is_supposed_to_be_busy_too():
    life = attached()
    life.poll(0.0)
    life.on_iopub(0.1)
    assert Suppose() in life.poll(TIMING.unanswered)
    assert state_of(life) is State.HEARD


def test_a_kernel_that_w2z_started_is_not_busy_when_it_is_slow():
    life = owned()
    life.on_reached(0.0)
    assert not any(Suppose() in life.poll(float(now)) for now in range(60))


# Doubts about a kernel that is busy.


def test_a_busy_kernel_that_says_nothing_for_long_is_asked_once_for_each_silence():
    life = made_ready(attached())
    assert life.doubt_busy(5.0 + TIMING.doubt_busy - 0.1, 5.0) == []
    assert life.doubt_busy(5.0 + TIMING.doubt_busy, 5.0) == [Ask(SHELL)]
    assert life.doubt_busy(90.0, 5.0) == []
    assert life.doubt_busy(100.0, 60.0) == [Ask(SHELL)]
    # The answer proves that it has ended what it had to do when it was asked.
    assert life.on_info_reply(SHELL, "one", 101.0) == [Settle(100.0)]
    assert life.on_info_reply(SHELL, "one", 101.0) == []


def test_one_that_is_not_ready_is_asked_anyway():
    life = gone()
    assert life.doubt_busy(1000.0, 0.0) == []
    made_busy = attached()
    made_busy.on_info_reply(CONTROL, "one", 0.0)
    made_busy.on_iopub(1.0)
    assert made_busy.doubt_busy(1000.0, 0.0) == []


def test_an_answer_on_control_settles_nothing():
    life = made_ready(attached())
    life.doubt_busy(100.0, 5.0)
    assert life.on_info_reply(CONTROL, "one", 101.0) == []
    assert life.on_info_reply(SHELL, "one", 102.0) == [Settle(100.0)]


# Heartbeats.


@both
def test_a_kernel_that_takes_requests_has_its_heart_listened_to(new):
    life = new()
    assert Beat() not in life.poll(0.0)
    life.on_iopub(0.0)
    assert Beat() in life.poll(0.1)
    assert life.poll(0.2) == []
    assert Beat() in life.poll(0.1 + TIMING.beat_every)


def beaten(life: Life) -> float:
    """A heart that beat once, and then no more; when that is noticed."""
    life.on_echo()
    times = [2.0 + n * TIMING.beat_every for n in range(BEATS_MISSED + 1)]
    for now in times[:-1]:
        assert life.poll(now) == [Beat()]
    assert not misses_beats(life)
    return times[-1]


def tried(life: Life, now: float) -> int:
    """The number of the try of its ports that is due now."""
    [number] = [one.number for one in life.poll(now) if isinstance(one, Probe)]
    return number


def test_one_that_missed_its_beats_is_not_gone_as_long_as_its_port_is_open():
    life = made_ready(attached())
    now = beaten(life)
    for found in (Found.LISTENING, Found.NO_ANSWER, Found.LISTENING):
        assert life.on_probe(tried(life, now), found, now) == []
        assert life.is_ready
        assert misses_beats(life)
        now += TIMING.beat_every
    life.on_echo()
    assert not misses_beats(life)
    assert life.poll(now) == [Beat()]


def test_one_that_missed_its_beats_and_refuses_has_hung_up():
    life = made_ready(attached())
    now = beaten(life)
    assert life.on_probe(tried(life, now), Found.REFUSED, now) == [Leave()]
    assert state_of(life) is State.GONE
    life.on_connected(now)
    # It may come back until then.
    late = now + TIMING.dead_after
    assert not [one for one in life.poll(late - 0.1) if isinstance(one, Probe)]
    assert life.on_probe(tried(life, late), Found.REFUSED, late) == ENDED


def test_an_owned_one_that_missed_its_beats_is_left_to_its_process():
    life = made_ready(owned())
    assert life.poll(beaten(life)) == [Beat()]
    assert misses_beats(life)


# It hangs up.


def test_a_kernel_that_hangs_up_is_left_once():
    life = made_ready(attached())
    assert life.on_hung_up(2.0) == [Leave()]
    assert state_of(life) is State.GONE
    assert is_leaving(life)
    assert life.on_hung_up(2.0) == []
    assert life.on_connected(2.1) == []
    assert not is_leaving(life)
    # Again before anybody has answered: there is nobody to leave.
    assert life.on_hung_up(2.2) == []


def test_its_last_words_do_not_make_it_ready():
    life = made_ready(attached())
    life.on_hung_up(2.0)
    assert life.on_iopub(2.1) == []
    assert life.on_info_reply(SHELL, "one", 2.1) == []
    assert life.on_info_reply(CONTROL, "two", 2.1) == []
    assert life.on_reached(2.1) == []
    assert not any(isinstance(one, Ask) for one in life.poll(2.2))
    assert state_of(life) is State.GONE


def test_the_kernel_of_before_is_back_after_a_cut_and_nobody_is_told():
    life = gone()
    assert life.poll(2.1) == ASKED
    assert life.on_reached(2.2) == []
    assert life.on_info_reply(SHELL, "one", 2.3) == [Settle(2.1)]
    assert life.on_iopub(2.3) == [Open()]
    assert state_of(life) is State.READY


def test_it_is_back_over_the_sockets_of_before():
    life = made_ready(attached())
    life.on_hung_up(2.0)
    # Connected again before the sockets were to be replaced, and so they are not.
    life.on_reached(2.1)
    assert life.on_link_kept(2.2) == []
    assert not is_leaving(life)
    assert life.poll(2.2) == ASKED
    assert life.on_info_reply(SHELL, "one", 2.3) == [Settle(2.2)]
    # It was reached, so its silence is its own.
    assert life.poll(2.3 + TIMING.grace)[:1] == [Open()]


def test_nothing_is_held_against_one_that_is_back():
    life = made_ready(attached())
    now = beaten(life)
    number = tried(life, now)
    assert misses_beats(life)
    life.on_hung_up(now)
    life.on_link_kept(now)
    assert not misses_beats(life)
    assert life.on_probe(number, Found.REFUSED, now + 60) == []


def test_another_kernel_in_its_place_is_announced_before_it_gets_requests():
    life = gone()
    assert arrived(life, "two", 3.0) == [RESTARTING, REPLACED, IDLE, Open()]
    assert life.session == "two"
    assert state_of(life) is State.READY


@pytest.mark.parametrize("session", [OWN, None, ""])
def test_a_kernel_without_a_session_of_its_own_is_another_one(session):
    life = gone(session)
    assert life.session == (OWN if session == OWN else None)
    assert arrived(life, session, 3.0) == [RESTARTING, REPLACED, IDLE, Open()]


def test_another_kernel_that_is_busy_is_announced_as_that():
    life = gone()
    assert life.poll(3.0) == ASKED
    life.on_shell_reached(3.0, is_up=True)
    assert life.on_info_reply(CONTROL, "two", 3.1) == []
    busy = [RESTARTING, REPLACED, IDLE, Suppose(), Open()]
    assert life.on_iopub(3.1 + TIMING.shell_grace) == busy
    assert state_of(life) is State.BUSY


def test_what_was_settled_is_told_before_the_next_kernel_gets_requests():
    life = gone()
    assert life.poll(3.0) == ASKED
    assert life.on_iopub(3.1) == []
    said = life.on_info_reply(SHELL, "two", 3.2)
    assert said == [RESTARTING, REPLACED, IDLE, Settle(3.0), Open()]


def test_a_next_kernel_that_speaks_gets_nothing_before_it_has_answered():
    life = gone()
    assert life.on_iopub(3.0) == []
    assert state_of(life) is State.GONE


def test_a_kernel_that_answered_and_hung_up_before_it_was_ready_counts_for_nothing():
    life = gone()
    assert life.on_reached(2.9) == []
    assert life.on_info_reply(SHELL, "two", 3.0) == []
    assert life.on_hung_up(3.1) == []
    # The third one speaks; that the second had answered is not its merit.
    assert life.on_reached(3.2) == []
    assert life.on_iopub(3.2) == []
    assert state_of(life) is State.GONE
    assert life.on_info_reply(SHELL, "one", 3.3) == [Open()]


def test_nor_does_one_that_answered_and_went_before_its_iopub_was_reached():
    life = gone()
    assert life.on_info_reply(SHELL, "two", 3.0) == []
    assert life.on_shell_reached(3.1, is_up=False) == []
    assert life.on_reached(3.2) == []
    assert life.on_iopub(3.2) == []
    assert state_of(life) is State.GONE


def test_an_iopub_that_takes_connections_and_ends_them_is_not_reached_and_that_is_said():
    life = attached()
    said = []
    for number in range(100):
        now = number / 10
        said += [one for one in life.poll(now) if isinstance(one, Warn)]
        assert life.on_hung_up(now) == []
        life.on_info_reply(SHELL, "one", now)
    assert said == [CUT_OFF]


def test_nor_does_one_of_before_that_had_no_requests():
    life = gone()
    life.on_info_reply(SHELL, "two", 3.0)
    life.on_connected(3.1)
    assert arrived(life, "two", 3.2) == [RESTARTING, REPLACED, IDLE, Open()]


def test_a_kernel_that_took_requests_and_never_answered_can_go_too():
    life = attached()
    life.on_iopub(0.1)
    assert life.on_hung_up(1.0) == [Leave()]
    life.on_connected(1.0)
    assert arrived(life, "one", 2.0) == [RESTARTING, REPLACED, IDLE, Open()]


@pytest.mark.parametrize("session", ["one", "two"])
def test_the_heart_stops_after_iopub_the_kernel_was_ending(session):
    life = made_ready(attached())
    life.on_hung_up(2.0)
    life.on_link_kept(2.1)
    assert life.on_heart_stopped() == [Leave()]
    assert is_leaving(life)
    assert life.on_heart_stopped() == []
    assert life.on_info_reply(SHELL, session, 2.2) == []
    assert life.on_iopub(2.2) == []
    life.on_connected(2.3)
    assert life.on_heart_stopped() == []


def test_a_heart_that_stops_alone_says_nothing():
    life = made_ready(attached())
    assert life.on_heart_stopped() == []
    assert life.is_ready
    life.on_hung_up(2.0)
    assert life.on_heart_stopped() == [], "it is left already"
    life.on_link_kept(2.1)
    arrived(life, "one", 2.2)
    assert life.on_heart_stopped() == []
    assert life.is_ready


def test_hanging_up_is_the_process_matter_of_an_owned_kernel():
    life = made_ready(owned())
    assert life.on_hung_up(2.0) == []
    assert life.is_ready


# Death.


def test_a_kernel_that_does_not_come_back_is_dead_once():
    life = gone()
    number = tried(life, 2.0 + TIMING.dead_after)
    assert life.on_probe(number, Found.REFUSED, 5.0) == ENDED
    assert state_of(life) is State.DEAD
    life.on_connected(5.0)
    # It is looked for still: the next one may be at another address of the same name.
    for now in range(5, 60):
        [probe] = [one for one in life.poll(float(now)) if isinstance(one, Probe)]
        assert life.on_probe(probe.number, Found.REFUSED, float(now)) == []
    life.on_reached(60.0)
    assert not [one for one in life.poll(60.0) if isinstance(one, Probe)]
    assert life.on_probe(number, Found.REFUSED, 60.0) == []
    assert life.on_hung_up(60.0) == []


@pytest.mark.parametrize("found", [Found.REFUSED, Found.NO_ANSWER])
def test_its_ports_are_tried_when_it_is_late_and_then_every_second(found):
    life = gone()
    late = 2.0 + TIMING.dead_after
    assert not any(isinstance(one, Probe) for one in life.poll(late - 0.1))
    assert life.on_probe(tried(life, late), Found.LISTENING, late) == []
    assert not any(isinstance(one, Probe) for one in life.poll(late + 0.9))
    number = tried(life, late + TIMING.probe_every)
    assert life.on_probe(number, found, late + 1.1) == ENDED


def test_a_host_that_is_gone_refuses_nothing_and_is_gone_all_the_same():
    life = gone()
    assert life.on_probe(tried(life, 6.0), Found.NO_ANSWER, 7.0) == ENDED


def test_a_result_that_comes_too_late_is_void():
    life = gone()
    number = tried(life, 6.0)
    arrived(life, "two", 6.1)
    assert life.on_probe(number, Found.REFUSED, 6.2) == []
    assert state_of(life) is State.READY
    # It hangs up again: that is another absence.
    life.on_hung_up(7.0)
    life.on_connected(7.0)
    assert life.on_probe(number, Found.REFUSED, 20.0) == []
    assert state_of(life) is State.GONE


def test_a_result_about_other_sockets_is_void():
    life = attached()
    number = tried(life, 0.0)
    life.on_connected(0.1)
    for now in (1.0, 100.0):
        assert life.on_probe(number, Found.REFUSED, now) == []


@pytest.mark.parametrize("number", range(8))
def test_a_try_that_nobody_asked_for_kills_nobody(number):
    for life in (gone(), ending(attached()), dead()):
        before = life.state
        assert life.on_probe(number, Found.REFUSED, 4.0) == []
        assert life.state is before


@pytest.mark.parametrize(
    ("session", "told"),
    [("one", [IDLE, Open()]), ("two", [RESTARTING, REPLACED, IDLE, Open()])],
)
def test_whoever_is_back_from_the_dead_is_announced(session, told):
    life = dead()
    assert arrived(life, session, 20.0) == told
    assert state_of(life) is State.READY


def test_each_kernel_can_die():
    life = dead()
    arrived(life, "two", 20.0)
    life.on_hung_up(30.0)
    life.on_connected(30.0)
    assert life.on_probe(tried(life, 40.0), Found.REFUSED, 40.0) == ENDED


def test_one_that_came_and_hung_up_before_it_was_ready_leaves_the_dead_dead():
    life = dead()
    life.on_reached(19.9)
    life.on_info_reply(SHELL, "two", 20.0)
    assert life.on_hung_up(20.1) == []
    assert life.on_reached(20.2) == []
    assert life.on_iopub(20.2) == []
    assert state_of(life) is State.DEAD


# Never there.


def test_where_nobody_ever_listens_it_is_said_and_then_it_is_dead():
    life = attached()
    said = []
    for now in range(20):
        for one in life.poll(float(now)):
            if isinstance(one, Probe):
                said += [(now, *life.on_probe(one.number, Found.REFUSED, float(now)))]
    told = [one for one in said if len(one) > 1]
    assert [len(said), *told] == [20, (2, NOBODY_YET), (10, *NEVER_THERE)]
    assert state_of(life) is State.DEAD


def test_one_that_is_there_after_all_takes_the_word_back():
    life = attached()
    for now in (0.0, 10.0):
        said = life.on_probe(tried(life, now), Found.REFUSED, now)
    assert said == [NOBODY_YET, *NEVER_THERE], "the log says where, too"
    life.on_connected(10.0)
    told = [Announce("restarting", "the kernel is there now"), IDLE, Open()]
    assert [one for one in arrived(life, "one", 20.0) if not isinstance(one, Lose)] == told


def test_one_that_is_slow_to_start_is_not_dead():
    life = attached()
    assert life.on_probe(tried(life, 0.0), Found.REFUSED, 0.0) == []
    assert life.on_probe(tried(life, 9.0), Found.LISTENING, 9.0) == []
    assert life.on_probe(tried(life, 12.0), Found.REFUSED, 12.0) == []
    life.on_reached(13.0)
    assert not [one for one in life.poll(20.0) if isinstance(one, Probe)]


def test_one_that_hangs_up_before_it_began_is_waited_for_again():
    life = attached()
    life.poll(0.0)
    life.on_reached(0.1)
    life.on_info_reply(SHELL, "one", 0.2)
    assert life.on_hung_up(0.3) == []
    assert state_of(life) is State.STARTING
    # Its answer does not help the next one, which is asked for itself.
    assert life.on_reached(1.0) == []
    assert life.on_iopub(1.0) == [Open()]
    assert state_of(life) is State.HEARD
    assert life.poll(1.0)[:2] == ASKED


# Asked to end, and another is to come.


def test_requests_wait_from_when_the_end_is_asked_for():
    life = made_ready(attached())
    assert is_there(life)
    assert life.ask_to_end(2.0) == []
    assert state_of(life) is State.ENDING
    assert not life.takes_requests
    assert not is_there(life)


@both
def test_what_a_kernel_says_before_it_is_told_to_end_does_not_make_it_ready(new):
    """It is interrupted first, and has something to say about that."""
    life = made_ready(new())
    life.ask_to_end(2.0)
    assert life.on_iopub(2.1) == []
    assert life.on_info_reply(SHELL, "one", 2.1) == []
    assert life.poll(2.2) == []
    assert state_of(life) is State.ENDING


def test_the_kernel_that_was_told_to_end_is_passed_over_and_left_alone_at_first():
    life = ending(attached())
    assert life.poll(2.0 + TIMING.left_alone - 0.1) == []
    assert life.poll(2.0 + TIMING.left_alone) == ASKED
    assert life.passes_over("one")
    for channel in (SHELL, CONTROL):
        assert life.on_info_reply(channel, "one", 3.1) == []
    assert life.on_iopub(3.2) == []
    assert state_of(life) is State.ENDING


def test_the_one_that_comes_is_no_news():
    life = ending(attached())
    assert life.poll(3.0) == ASKED
    assert life.on_info_reply(SHELL, "two", 3.1) == [Settle(3.0)]
    assert life.on_iopub(3.2) == [REPLACED, Open()]
    assert state_of(life) is State.READY
    assert not life.passes_over("one")


def test_the_one_that_comes_may_be_busy():
    life = ending(attached())
    life.on_info_reply(CONTROL, "two", 3.1)
    assert life.on_iopub(4.0) == [REPLACED, Suppose(), Open()]


@pytest.mark.parametrize("session", ["two", OWN])
def test_the_one_that_comes_after_the_first_hung_up(session):
    """Behind other sockets nobody is passed over: a kernel that has no session of its own."""
    life = ending(attached(), session)
    assert life.on_hung_up(3.0) == [Leave()]
    assert state_of(life) is State.ENDING
    assert life.on_hung_up(3.0) == []
    assert life.on_info_reply(SHELL, "two", 3.1) == []
    life.on_connected(3.2)
    lost = [] if session == "two" else [REPLACED]
    assert arrived(life, session, 4.0) == [*lost, Open()]


def test_one_that_lost_its_iopub_only_is_passed_over_still():
    life = ending(attached())
    assert life.on_hung_up(3.0) == [Leave()]
    life.on_link_kept(3.1)
    assert life.passes_over("one")
    assert life.poll(3.2) == [], "it is left alone: it is ending"
    assert arrived(life, "one", 4.0) == []
    assert life.on_heart_stopped() == [Leave()]
    life.on_connected(5.0)
    assert arrived(life, "two", 6.0) == [REPLACED, Open()]


def test_one_that_had_not_answered_is_passed_over_when_it_says_goodbye():
    life = attached()
    life.on_iopub(0.1)
    life.ask_to_end(2.0)
    life.expect_another(2.0)
    assert life.on_info_reply(SHELL, "one", 3.0) == []
    assert life.on_goodbye("one") == []
    assert life.on_info_reply(SHELL, "one", 3.1) == []
    assert life.on_info_reply(SHELL, "two", 3.2) == []
    assert life.on_iopub(3.3) == [REPLACED, Open()]


@pytest.mark.parametrize(
    ("session", "told"), [("one", [Open()]), ("two", [RESTARTING, REPLACED, IDLE, Open()])]
)
def test_where_no_other_comes_in_time_whoever_answers_is_ready(session, told):
    life = ending(attached())
    life.poll(3.0)
    assert life.stay(60.0) == []
    assert state_of(life) is State.GONE
    # At once, however long the last question was ago.
    assert life.poll(60.0)[:2] == ASKED
    assert arrived(life, session, 60.1) == told


def test_one_that_stays_and_is_silent_is_reached_still():
    life = ending(attached())
    life.stay(60.0)
    life.on_info_reply(SHELL, "one", 60.1)
    assert life.poll(60.1 + TIMING.grace)[:1] == [Open()]


def test_one_that_was_not_even_told_stays():
    """Whoever asked for its end gave up while it was interrupted."""
    life = made_ready(attached())
    life.ask_to_end(2.0)
    assert life.stay(2.1) == []
    assert life.poll(2.2)[:2] == ASKED
    assert arrived(life, "one", 2.3) == [Open()]


def test_one_that_has_hung_up_meanwhile_is_left_before_it_is_asked():
    life = made_ready(attached())
    life.ask_to_end(2.0)
    assert life.on_hung_up(2.1) == [Leave()]
    for decide in (life.expect_another, life.stay):
        assert decide(2.2) == []
        assert life.on_info_reply(SHELL, "two", 2.3) == []
        assert life.on_iopub(2.3) == []
        assert life.poll(2.3) == []
    life.on_connected(2.4)
    assert arrived(life, "two", 2.5) == [RESTARTING, REPLACED, IDLE, Open()]


def test_one_that_neither_stays_nor_is_followed_is_dead():
    life = ending(attached())
    assert life.on_hung_up(3.0) == [Leave()]
    life.on_connected(3.0)
    life.stay(60.0)
    number = tried(life, 60.0 + TIMING.dead_after)
    assert life.on_probe(number, Found.REFUSED, 63.0) == ENDED


def test_there_is_somebody_to_tell_something_where_one_is_reached_or_takes_requests():
    life = attached()
    assert not is_there(life)
    life.on_reached(0.1)
    assert is_there(life)
    life.on_hung_up(0.2)
    assert not is_there(life)
    assert made_ready(attached()).is_there
    assert not any(one.is_there for one in (gone(), dead(), ending(attached())))
    reached = gone()
    reached.on_reached(3.0)
    assert not is_there(reached), "it is the one that comes"


# Kernels that w2z starts.


def test_a_started_kernel_that_ends_and_is_started_again():
    life = owned()
    assert (life.was_used, life.has_served) == (False, False)
    made_ready(life)
    assert (life.was_used, life.has_served) == (True, True)
    assert life.on_ended(5.0) == []
    assert state_of(life) is State.GONE
    # Its last words.
    assert life.on_iopub(5.0) == []
    assert life.on_info_reply(SHELL, "one", 5.0) == []
    assert life.poll(5.1) == []
    assert life.on_started(6.0) == []
    assert state_of(life) is State.STARTING
    assert (life.was_used, life.has_served) == (False, True)
    # Its keeper has said what there is to say.
    assert arrived(life, "two", 7.0) == [Open()]
    assert life.was_used


def test_the_next_one_gets_no_requests_before_it_has_answered():
    life = made_ready(owned())
    life.on_ended(5.0)
    life.on_started(6.0)
    assert life.on_iopub(6.1) == []
    assert life.on_info_reply(SHELL, "two", 6.2) == [Open()]


def test_one_that_is_ended_to_be_started_again():
    life = made_ready(owned())
    life.ask_to_end(2.0)
    assert life.on_ended(3.0) == []
    assert state_of(life) is State.ENDING
    life.on_started(4.0)
    assert state_of(life) is State.STARTING
    assert arrived(life, "two", 5.0) == [Open()]


def test_one_that_ends_before_it_was_ready():
    life = owned()
    life.on_info_reply(SHELL, "one", 0.5)
    assert life.on_ended(1.0) == []
    assert state_of(life) is State.STARTING
    assert not life.has_served
    assert life.on_iopub(1.0) == []
    life.on_started(2.0)
    assert life.poll(2.0) == ASKED
    # It is the first all the same.
    assert life.on_iopub(2.1) == [Open()]


def test_the_next_one_may_have_no_heart():
    life = made_ready(owned())
    life.poll(beaten(life))
    assert misses_beats(life)
    life.on_ended(20.0)
    life.on_started(21.0)
    assert not misses_beats(life)
    arrived(life, "two", 22.0)
    assert all(Beat() in life.poll(30.0 + n * TIMING.beat_every) for n in range(10))
    assert not misses_beats(life)


def test_nobody_tries_its_ports():
    life = owned()
    said = [one for now in range(60) for one in life.poll(float(now))]
    assert not any(isinstance(one, Probe) for one in said)


# Every event in every state.


def probed(life: Life, found: Found, seconds: range) -> list[Action]:
    """Each try of its ports finds that, for so long."""
    said: list[Action] = []
    for now in map(float, seconds):
        for one in life.poll(now):
            said += life.on_probe(one.number, found, now) if isinstance(one, Probe) else []
    return said


def answered(life: Life, channel: Channel) -> list[Action]:
    """Another kernel answers there only, and speaks; what is due is done later."""
    said = life.on_shell_reached(100.0, is_up=True)
    said += life.on_info_reply(channel, "another", 100.0) + life.on_iopub(100.0)
    return said + [one for one in life.poll(101.0) if not isinstance(one, Ask | Beat | Probe)]


def busy() -> Life:
    life = attached()
    life.on_shell_reached(0.0, is_up=True)
    life.on_info_reply(CONTROL, "one", 0.0)
    assert life.on_iopub(1.0) == [Suppose(), Open()]
    return life


def heard() -> Life:
    life = attached()
    assert life.on_iopub(1.0) == [Open()]
    return life


LIVES: dict[State, Callable[[], Life]] = {
    State.STARTING: attached,
    State.HEARD: heard,
    State.READY: lambda: made_ready(attached()),
    State.BUSY: busy,
    State.ENDING: lambda: ending(attached()),
    State.GONE: gone,
    State.DEAD: dead,
}
"""A life in each state, of a kernel whose word may count."""

HAPPENINGS: dict[Event, Callable[[Life], list[Action]]] = {
    Event.HEARD: lambda life: life.on_iopub(100.0),
    Event.ANSWERED: lambda life: answered(life, SHELL),
    Event.ANSWERED_BESIDE: lambda life: answered(life, CONTROL),
    Event.ASKED_TO_END: lambda life: life.ask_to_end(100.0),
    Event.STAYED: lambda life: life.stay(100.0),
    Event.ENDED: lambda life: life.on_ended(100.0),
    Event.ABANDONED: lambda life: probed(life, Found.REFUSED, range(100, 120)),
    Event.STARTED: lambda life: life.on_started(100.0),
}
"""Each event as it comes about."""

WELCOME: list[Action] = [RESTARTING, REPLACED, IDLE]
TOLD: dict[tuple[State, Event], Sequence[Action]] = {
    (State.STARTING, Event.HEARD): [Open()],
    (State.STARTING, Event.ANSWERED): [Open()],
    (State.STARTING, Event.ANSWERED_BESIDE): [Open(), Suppose(), Open()],
    (State.STARTING, Event.ABANDONED): [NOBODY_YET, *NEVER_THERE],
    (State.HEARD, Event.ANSWERED): [Open()],
    (State.HEARD, Event.ANSWERED_BESIDE): [Suppose(), Open()],
    (State.BUSY, Event.ANSWERED): [],
    (State.ENDING, Event.ANSWERED): [REPLACED, Open()],
    (State.ENDING, Event.ANSWERED_BESIDE): [REPLACED, Suppose(), Open()],
    (State.GONE, Event.ANSWERED): [*WELCOME, Open()],
    (State.GONE, Event.ANSWERED_BESIDE): [*WELCOME, Suppose(), Open()],
    (State.GONE, Event.ABANDONED): ENDED,
    (State.DEAD, Event.ANSWERED): [*WELCOME, Open()],
    (State.DEAD, Event.ANSWERED_BESIDE): [*WELCOME, Suppose(), Open()],
}
"""What there is to do; nothing where there is no entry."""


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_in_every_state(state, event):
    life = LIVES[state]()
    assert life.state is state
    assert HAPPENINGS[event](life) == list(TOLD.get((state, event), []))
    assert life.state is TRANSITIONS[state].get(event, state)
    assert life.takes_requests is (life.state in TAKES_REQUESTS)
    assert life.is_ready is (life.state in READY)


# Anything, in any order.


class AnyLife(RuleBasedStateMachine):
    """Whatever happens, in whichever order, to a kernel that is kept as the keepers do:

    - requests may go to the kernel if, and only if, the state is one of TAKES_REQUESTS;
    - Open is returned exactly when such a state is entered from outside, or when the kernel becomes
      ready, and then it is the last: never before a Lose, an Announce, a Suppose or a Settle;
    - a state becomes another only by the table, one at a time;
    - the word of a kernel that is passed over changes nothing and makes nothing ready;
    - while the sockets are to be left nothing makes the kernel ready, and nobody is asked;
    - clients hear of a death exactly when the kernel becomes dead: once each time;
    - a kernel that takes requests hears heartbeats, and no other does; the ports of an owned one
      are never tried;
    - and in the end: a kernel that is there, answers, and speaks, is ready.
    """

    is_owned = False

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.life = Life(0.0, TIMING, is_owned=self.is_owned, own_session=OWN)
        self.tries: list[int] = []
        self.is_told = False
        self.is_over = False

    def happens(self, happening: Callable[[], list[Action]]) -> list[Action]:
        """Let something happen; what there is to do is checked, and done."""
        life, before, was_leaving = self.life, self.life.state, self.life.is_leaving
        said = happening()
        after = life.state
        assert after is before or after in TRANSITIONS[before].values()
        has_come = after in TAKES_REQUESTS and before not in TAKES_REQUESTS
        is_new = has_come or (after in READY and before not in READY)
        first = [one for one in said if not isinstance(one, Ask | Beat | Probe | Warn)]
        assert said.count(Open()) == is_new
        assert Open() not in first[:-1]
        assert not (was_leaving and has_come)
        deaths = [one for one in said if isinstance(one, Announce) and one.state == "dead"]
        assert len(deaths) == (after is State.DEAD and before is not State.DEAD)
        assert Beat() not in said or after in TAKES_REQUESTS
        if any(isinstance(one, Probe) for one in said):
            assert not self.is_owned
            assert after in {State.STARTING, State.GONE, State.DEAD} | TAKES_REQUESTS
        if Leave() in said:
            assert not was_leaving
            assert life.is_leaving
        self.tries += [one.number for one in said if isinstance(one, Probe)]
        if Relink() in said:
            assert life.on_connected(self.now) == []
        return said

    @invariant()
    def requests_go_by_the_state_alone(self) -> None:
        assert self.life.takes_requests is (self.life.state in TAKES_REQUESTS)
        assert self.life.is_ready is (self.life.state in READY)

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 5.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        said = self.happens(lambda: self.life.poll(self.now))
        if self.life.is_leaving:
            assert not [one for one in said if isinstance(one, Ask)]

    @rule(seconds=st.sampled_from([0.0, 10.0, 60.0]))
    def a_silence_is_doubted(self, seconds: float) -> None:
        self.happens(lambda: self.life.doubt_busy(self.now, self.now - seconds))

    @rule()
    def iopub_is_reached(self) -> None:
        self.happens(lambda: self.life.on_reached(self.now))

    @rule(is_up=st.booleans())
    def shell_is_reached(self, is_up: bool) -> None:
        self.happens(lambda: self.life.on_shell_reached(self.now, is_up=is_up))

    @rule()
    def something_arrives(self) -> None:
        # Kernel.observe does not tell of it while the kernel is ready.
        if not self.life.is_ready:
            self.happens(lambda: self.life.on_iopub(self.now))

    @rule(
        channel=st.sampled_from([SHELL, CONTROL]),
        session=st.sampled_from(["one", "two", OWN, None]),
    )
    def somebody_answers(self, channel: Channel, session: object) -> None:
        before, is_void = self.life.state, self.life.passes_over(session)
        said = self.happens(lambda: self.life.on_info_reply(channel, session, self.now))
        if is_void:
            assert said == []
            assert self.life.state is before

    @rule(session=st.sampled_from(["one", "two", OWN, None]))
    def somebody_says_goodbye(self, session: object) -> None:
        self.happens(lambda: self.life.on_goodbye(session))

    @rule()
    def the_heart_beats(self) -> None:
        self.happens(self.life.on_echo)
        assert not self.life.misses_beats

    @rule()
    def iopub_ends(self) -> None:
        self.happens(lambda: self.life.on_hung_up(self.now))

    @precondition(lambda self: self.life.state is not State.ENDING)
    @rule()
    def the_end_is_asked_for(self) -> None:
        self.happens(lambda: self.life.ask_to_end(self.now))
        self.is_told = False

    def be_there(self) -> None:
        """A kernel that was not there before is, in the end."""
        raise NotImplementedError

    def teardown(self) -> None:
        self.be_there()
        self.happens(lambda: self.life.on_reached(self.now))
        asked = []
        for _ in range(3):
            self.now += TIMING.last_repeat
            asked += self.happens(lambda: self.life.poll(self.now))
        assert self.life.is_ready or Ask(SHELL) in asked
        self.happens(lambda: self.life.on_info_reply(SHELL, "the last", self.now))
        self.something_arrives()
        assert self.life.state is State.READY
        assert not self.life.passes_over("the last")


class AnyAttached(AnyLife):
    """A kernel of somebody else's: its keeper leaves sockets, tries ports, and asks for its end."""

    @precondition(lambda self: self.life.is_leaving)
    @rule(is_replaced=st.booleans())
    def the_sockets_are_left(self, is_replaced: bool) -> None:
        if is_replaced:
            self.happens(lambda: self.life.on_connected(self.now))
        else:
            self.happens(lambda: self.life.on_link_kept(self.now))

    @precondition(lambda self: self.tries)
    @rule(data=st.data(), found=st.sampled_from(Found))
    def a_try_comes_to_something(self, data: st.DataObject, found: Found) -> None:
        number = data.draw(st.sampled_from(self.tries))
        self.happens(lambda: self.life.on_probe(number, found, self.now))

    @rule()
    def the_heart_stops(self) -> None:
        self.happens(self.life.on_heart_stopped)

    @precondition(lambda self: self.life.state is State.ENDING and not self.is_told)
    @rule()
    def it_is_told_to_end(self) -> None:
        self.happens(lambda: self.life.expect_another(self.now))
        self.is_told = True

    @precondition(lambda self: self.life.state is State.ENDING)
    @rule()
    def it_stays(self) -> None:
        self.happens(lambda: self.life.stay(self.now))

    def be_there(self) -> None:
        if self.life.state is State.ENDING and not self.is_told:
            self.it_stays()
        if self.life.is_leaving:
            self.the_sockets_are_left(is_replaced=True)
        if self.life.passes_over("the last"):
            # It did not say goodbye, so it hangs up.
            self.iopub_ends()
            self.the_sockets_are_left(is_replaced=True)


class AnyOwned(AnyLife):
    """A kernel of w2z's own: its process ends, and another is started."""

    is_owned = True

    @precondition(lambda self: not self.is_over)
    @rule()
    def the_process_ends(self) -> None:
        self.happens(lambda: self.life.on_ended(self.now))
        self.is_over = True

    @precondition(lambda self: self.is_over)
    @rule()
    def another_is_started(self) -> None:
        self.happens(lambda: self.life.on_started(self.now))
        self.is_over = False
        assert not self.life.was_used

    def be_there(self) -> None:
        if self.life.state is State.ENDING and not self.is_over:
            self.the_process_ends()
        if self.is_over:
            self.another_is_started()


@pytest.mark.parametrize("machine", [AnyAttached, AnyOwned])
def test_anything_in_any_order(machine):
    run_state_machine_as_test(machine)

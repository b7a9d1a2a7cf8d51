"""From starting to ready, as a dialogue with a clock that only the test moves."""

from itertools import pairwise

import pytest

from w2z.kernel.readiness import Progress, Reached, Readiness
from w2z.message import Channel
from w2z.timing import Timing

TIMING = Timing()
SHELL, CONTROL = Channel.SHELL, Channel.CONTROL
BOTH = [SHELL, CONTROL]
NOTHING, HEARD, BESIDE, READY = Progress


def kernel_at(
    now: float = 0.0, reached: Reached | None = None, *, restarted: bool = False
) -> Readiness:
    return Readiness(now, TIMING, reached or Reached(shell=True), restarted=restarted)


# The first kernel.


def test_nothing_is_known_of_a_kernel_at_first():
    kernel = kernel_at()
    assert kernel.progress(0.0) is NOTHING
    assert kernel.progress(1e6) is NOTHING
    assert not kernel.is_silent(1000.0)


def test_the_kernel_is_asked_at_once_on_shell_and_control():
    assert kernel_at(100.0).poll(100.0) == BOTH


def test_a_reply_on_shell_and_output_make_it_ready_in_this_order():
    kernel = kernel_at()
    kernel.on_reply(SHELL, 1.0)
    assert kernel.progress(1.0) is NOTHING
    kernel.on_iopub()
    assert kernel.progress(1.0) is READY
    assert not kernel.is_silent(1000.0)


def test_and_in_the_other():
    kernel = kernel_at()
    kernel.on_iopub()
    assert kernel.progress(0.0) is HEARD
    kernel.on_reply(SHELL, 1.0)
    assert kernel.progress(1.0) is READY
    assert not kernel.is_silent(1000.0)


def test_output_alone_is_no_answer_however_long_it_takes():
    kernel = kernel_at()
    kernel.on_iopub()
    assert kernel.progress(1000.0) is HEARD


# Asked again.


def test_who_does_not_answer_is_asked_ever_more_slowly():
    kernel = kernel_at()
    now, asked = 0.0, []
    while now < 200:
        if kernel.poll(now):
            asked.append(now)
        now += 0.5
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == [TIMING.first_repeat, 2.0, 4.0, 8.0, 16.0, 32.0, *[TIMING.last_repeat] * 2]


def test_it_is_not_asked_again_before_its_time():
    kernel = kernel_at()
    kernel.poll(0.0)
    assert kernel.poll(TIMING.first_repeat - 0.01) == []
    assert kernel.poll(TIMING.first_repeat) == BOTH


@pytest.mark.parametrize("channel", BOTH)
def test_an_answer_without_output_is_followed_by_a_quick_question(channel):
    kernel = kernel_at()
    kernel.poll(0.0)
    kernel.on_reply(channel, 10.0)
    assert kernel.poll(10.0) == []
    again = 10.0 + TIMING.ask_again
    assert kernel.poll(again) == BOTH
    # Unanswered, that one is repeated slowly again.
    assert kernel.poll(again + TIMING.first_repeat / 2) == []
    assert kernel.poll(again + TIMING.first_repeat) == BOTH


def test_a_ready_kernel_is_not_asked_any_more():
    kernel = kernel_at()
    kernel.on_iopub()
    kernel.on_reply(SHELL, 0.0)
    assert kernel.poll(1000.0) == []


# Busy.


def test_one_that_answers_on_control_only_is_busy_after_a_moment():
    kernel = kernel_at()
    kernel.on_iopub()
    kernel.on_reply(CONTROL, 1.0)
    busy_at = 1.0 + TIMING.shell_grace
    assert kernel.progress(busy_at - 0.01) is HEARD
    assert kernel.progress(busy_at) is BESIDE
    # It has the question, and will answer it on shell when it can.
    assert kernel.poll(1000.0) == []
    kernel.on_reply(SHELL, 1000.0)
    assert kernel.progress(1000.0) is READY


def test_the_moment_counts_from_the_first_reply():
    kernel = kernel_at()
    kernel.on_iopub()
    for now in (1.0, 1.3, 1.4):
        kernel.on_reply(CONTROL, now)
    assert kernel.progress(1.0 + TIMING.shell_grace) is BESIDE


def test_a_reply_on_shell_counts_though_one_on_control_comes_after_it():
    kernel = kernel_at()
    kernel.on_reply(SHELL, 1.0)
    kernel.on_reply(CONTROL, 1.1)
    kernel.on_iopub()
    assert kernel.progress(1.1) is READY


def test_one_that_answered_on_shell_and_then_no_more_is_busy_since():
    """Something else was run by it before its output arrived."""
    kernel = kernel_at()
    assert kernel.poll(0.0) == BOTH
    kernel.on_reply(SHELL, 1.0)
    assert kernel.poll(2.0) == BOTH
    kernel.on_reply(CONTROL, 2.0)
    assert kernel.poll(2.3) == BOTH
    kernel.on_iopub()
    assert kernel.progress(2.3) is HEARD
    busy_at = 2.0 + TIMING.shell_grace
    assert kernel.progress(busy_at - 0.01) is HEARD
    assert kernel.progress(busy_at) is BESIDE
    kernel.on_reply(SHELL, 60.0)
    assert kernel.progress(60.0) is READY


# Silent.


@pytest.mark.parametrize("replies", [[10.0], [10.0, 12.0, 14.9]])
def test_who_is_reached_and_answers_and_says_nothing_is_ready_after_the_grace(replies):
    kernel = kernel_at(reached=Reached(iopub=True))
    for moment in replies:
        kernel.on_reply(SHELL, moment)
    assert kernel.progress(10.0 + TIMING.grace - 0.01) is NOTHING
    assert not kernel.is_silent(10.0 + TIMING.grace - 0.01)
    assert kernel.progress(10.0 + TIMING.grace) is READY
    assert kernel.is_silent(1000.0)
    assert kernel.poll(10.0 + TIMING.grace) == []


def test_one_that_is_silent_and_answers_on_control_only_is_busy():
    kernel = kernel_at(reached=Reached(iopub=True, shell=True))
    kernel.on_reply(CONTROL, 0.0)
    assert kernel.progress(TIMING.grace) is BESIDE


def test_who_has_not_answered_yet_is_not_called_silent():
    kernel = kernel_at(reached=Reached(iopub=True, shell=True))
    assert kernel.progress(1000.0) is NOTHING
    assert not kernel.is_silent(1000.0)


def test_a_late_word_on_iopub_ends_the_silence():
    kernel = kernel_at(reached=Reached(iopub=True, shell=True))
    kernel.on_reply(SHELL, 0.0)
    assert kernel.progress(TIMING.grace) is READY
    kernel.on_iopub()
    assert kernel.progress(TIMING.grace) is READY
    assert not kernel.is_silent(1000.0)


def test_a_word_within_the_grace_is_no_silence():
    kernel = kernel_at(reached=Reached(iopub=True, shell=True))
    kernel.on_reply(SHELL, 0.0)
    kernel.on_iopub()
    assert kernel.progress(TIMING.grace) is READY
    assert not kernel.is_silent(1000.0)


# An iopub that is not reached.


def test_who_answers_and_whose_iopub_is_not_reached_is_cut_off_and_never_ready():
    kernel = kernel_at()
    assert kernel.cut_off(1000.0) is None
    kernel.on_reply(SHELL, 10.0)
    assert kernel.cut_off(10.0 + TIMING.grace - 0.01) is None
    assert kernel.cut_off(10.0 + TIMING.grace) is Channel.IOPUB
    assert kernel.progress(1000.0) is NOTHING
    assert kernel.poll(1000.0) == BOTH


def test_once_it_is_reached_after_all_its_output_is_waited_for():
    """The kernel may not have taken note of the subscription yet."""
    reached = Reached()
    kernel = kernel_at(reached=reached)
    kernel.on_reply(SHELL, 10.0)
    reached.iopub = True
    kernel.on_reached(1000.0)
    assert kernel.cut_off(1000.0) is None
    assert kernel.progress(1000.0) is NOTHING
    assert kernel.poll(1000.0) == BOTH
    kernel.on_reply(SHELL, 1000.1)
    assert kernel.progress(1000.0 + TIMING.grace - 0.01) is NOTHING
    assert kernel.progress(1000.0 + TIMING.grace) is READY
    kernel.on_iopub()
    assert kernel.progress(1000.1) is READY


def test_one_that_is_reached_before_it_answers_is_asked_no_sooner_for_that():
    kernel = kernel_at()
    assert kernel.poll(0.0) == BOTH
    kernel.on_reached(0.1)
    assert kernel.poll(0.1) == []


def test_whoever_is_heard_is_reached():
    kernel = kernel_at()
    kernel.on_iopub()
    kernel.on_reply(SHELL, 0.0)
    assert kernel.cut_off(1000.0) is None


def test_one_that_is_cut_off_is_not_asked_many_times_a_second():
    kernel = kernel_at()
    kernel.on_reply(SHELL, 0.0)
    kernel.on_reply(SHELL, TIMING.grace)
    assert kernel.poll(TIMING.grace + TIMING.ask_again) == []
    assert kernel.poll(TIMING.grace + TIMING.first_repeat) == BOTH


# A shell that is not reached.


def test_who_answers_on_control_and_whose_shell_is_not_reached_is_cut_off_and_not_busy():
    reached = Reached()
    kernel = kernel_at(reached=reached)
    kernel.on_iopub()
    kernel.on_reply(CONTROL, 10.0)
    assert kernel.progress(1000.0) is HEARD
    assert kernel.cut_off(10.0 + TIMING.grace - 0.01) is None
    assert kernel.cut_off(10.0 + TIMING.grace) is SHELL
    reached.shell = True
    assert kernel.cut_off(1000.0) is None
    assert kernel.progress(1000.0) is BESIDE


def test_whoever_answers_on_shell_is_reached_there():
    kernel = kernel_at(reached=Reached(iopub=True))
    kernel.on_reply(SHELL, 0.0)
    assert kernel.cut_off(1000.0) is None


# Reached, and without an answer.


def test_one_that_was_reached_long_ago_and_has_not_answered_is_known_by_that():
    reached = Reached()
    kernel = kernel_at(100.0, reached)
    late = 100.0 + TIMING.unanswered
    assert not kernel.is_unanswered(late), "nobody may be there"
    reached.iopub = True
    assert not kernel.is_unanswered(late - 0.01)
    assert kernel.is_unanswered(late)
    kernel.on_reply(CONTROL, late)
    assert not kernel.is_unanswered(late)


# After a restart.


def test_the_kernel_before_is_left_alone_then_the_next_is_asked_like_the_first():
    kernel = kernel_at(restarted=True)
    assert kernel.poll(0.0) == []
    assert kernel.poll(TIMING.left_alone - 0.1) == []
    assert [now for now in range(1, 9) if kernel.poll(float(now))] == [1, 2, 4, 8]


def test_the_last_words_of_the_kernel_before_do_not_count():
    kernel = kernel_at(restarted=True)
    kernel.on_iopub()
    assert kernel.progress(0.0) is NOTHING
    kernel.on_reply(SHELL, 1.0)
    assert kernel.progress(1.0) is NOTHING


def test_output_after_the_next_kernels_reply_makes_it_ready():
    kernel = kernel_at(restarted=True)
    kernel.on_iopub()
    kernel.on_reply(SHELL, 1.0)
    kernel.on_iopub()
    assert kernel.progress(1.0) is READY
    assert not kernel.is_silent(1000.0)


def test_the_next_kernel_may_be_silent_too():
    kernel = kernel_at(restarted=True)
    kernel.on_iopub()
    kernel.on_reply(SHELL, 10.0)
    assert kernel.progress(10.0 + TIMING.grace) is READY
    assert kernel.is_silent(1000.0)

"""From starting to ready, as a dialogue with a clock that only the test moves."""

from itertools import pairwise

import pytest

from w2z.kernel.readiness import ASK_AGAIN, FIRST_REPEAT, GRACE, LAST_REPEAT, Phase, Readiness
from w2z.message import Channel

BOTH = [Channel.SHELL, Channel.CONTROL]


def is_ready(kernel: Readiness) -> bool:
    return kernel.is_ready


def test_the_kernel_is_asked_at_once_on_shell_and_control():
    assert Readiness(100.0).poll(100.0) == BOTH


def test_a_reply_and_output_make_it_ready_in_this_order():
    kernel = Readiness(0.0)
    kernel.on_reply(1.0)
    assert not is_ready(kernel)
    kernel.on_iopub()
    assert is_ready(kernel)
    assert not kernel.is_silent


@pytest.mark.parametrize("words", [0, 1])
def test_the_phase_says_the_same(words):
    kernel = Readiness(0.0)
    kernel.on_reply(1.0)
    for _ in range(words):
        kernel.on_iopub()
    assert kernel.phase is (Phase.READY if words else Phase.STARTING)
    assert is_ready(kernel) is bool(words)


def test_and_in_the_other():
    kernel = Readiness(0.0)
    kernel.on_iopub()
    assert not is_ready(kernel)
    kernel.on_reply(1.0)
    assert is_ready(kernel)
    assert not kernel.is_silent


@pytest.mark.parametrize("is_first", [True, False])
def test_output_alone_lets_requests_through_to_the_first_kernel_but_is_not_ready(is_first):
    kernel = Readiness(0.0, is_first=is_first)
    kernel.on_iopub()
    assert kernel.accepts_requests is is_first
    kernel.poll(1000.0)
    assert not is_ready(kernel)
    kernel.on_reply(1001.0)
    assert kernel.accepts_requests


def test_clients_requests_wait_for_output_and_a_reply_is_none():
    kernel = Readiness(0.0, is_first=True)
    kernel.on_reply(1.0)
    assert not kernel.accepts_requests


def test_who_does_not_answer_is_asked_ever_more_slowly():
    kernel = Readiness(0.0)
    now, asked = 0.0, []
    while now < 200:
        if kernel.poll(now):
            asked.append(now)
        now += 0.5
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == [FIRST_REPEAT, 2.0, 4.0, 8.0, 16.0, 32.0, LAST_REPEAT, LAST_REPEAT]


def test_it_is_not_asked_again_before_its_time():
    kernel = Readiness(0.0)
    kernel.poll(0.0)
    assert kernel.poll(FIRST_REPEAT - 0.01) == []
    assert kernel.poll(FIRST_REPEAT) == BOTH


def test_an_answer_without_output_is_followed_by_a_quick_question():
    kernel = Readiness(0.0)
    kernel.poll(0.0)
    kernel.on_reply(10.0)
    assert kernel.poll(10.0) == []
    assert kernel.poll(10.0 + ASK_AGAIN) == BOTH
    # Unanswered, that one is repeated slowly again.
    assert kernel.poll(10.0 + ASK_AGAIN + FIRST_REPEAT / 2) == []
    assert kernel.poll(10.0 + ASK_AGAIN + FIRST_REPEAT) == BOTH


@pytest.mark.parametrize("replies", [[10.0], [10.0, 12.0, 14.9]])
def test_who_answers_and_says_nothing_is_ready_after_the_grace(replies):
    kernel = Readiness(0.0)
    for moment in replies:
        kernel.on_reply(moment)
    kernel.poll(10.0 + GRACE - 0.01)
    assert not is_ready(kernel)
    assert kernel.poll(10.0 + GRACE) == []
    assert is_ready(kernel)
    assert kernel.is_silent
    assert kernel.accepts_requests


def test_who_has_not_answered_yet_is_not_called_silent():
    kernel = Readiness(0.0)
    kernel.poll(GRACE)
    assert not kernel.is_silent
    assert not is_ready(kernel)


def test_a_late_word_on_iopub_ends_the_silence():
    kernel = Readiness(0.0)
    kernel.on_reply(0.0)
    kernel.poll(GRACE)
    kernel.on_iopub()
    assert is_ready(kernel)
    assert not kernel.is_silent


def test_a_ready_kernel_is_not_asked_any_more():
    kernel = Readiness(0.0)
    kernel.on_iopub()
    kernel.on_reply(0.0)
    assert kernel.poll(1000.0) == []


# After a restart


def restarted() -> Readiness:
    return Readiness(0.0, restarted=True)


def test_the_kernel_before_is_left_alone_then_the_next_is_asked_like_the_first():
    kernel = restarted()
    assert kernel.poll(0.0) == []
    assert kernel.poll(0.9) == []
    assert kernel.poll(1.0) == BOTH
    assert kernel.poll(1.9) == []
    assert kernel.poll(2.0) == BOTH
    assert kernel.poll(3.9) == []
    assert kernel.poll(4.0) == BOTH


def test_the_last_words_of_the_kernel_before_do_not_count():
    kernel = restarted()
    kernel.on_iopub()
    assert not kernel.accepts_requests
    kernel.on_reply(1.0)
    assert not is_ready(kernel)
    assert not kernel.accepts_requests


def test_output_after_the_next_kernels_reply_makes_it_ready():
    kernel = restarted()
    kernel.on_iopub()
    kernel.on_reply(1.0)
    kernel.on_iopub()
    assert is_ready(kernel)
    assert kernel.accepts_requests
    assert not kernel.is_silent


def test_the_next_kernel_may_be_silent_too():
    kernel = restarted()
    kernel.on_iopub()
    kernel.on_reply(10.0)
    kernel.poll(10.0 + GRACE)
    assert is_ready(kernel)
    assert kernel.is_silent

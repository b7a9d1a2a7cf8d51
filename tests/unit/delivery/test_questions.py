"""One session's question: whose turn it is to hear it, and when it is over."""

import pytest

from tests.unit.examples import message, text_of
from w2z.delivery.questions import MAX_QUESTION, Question
from w2z.message import Channel


def asked(text="ask"):
    """The kernel wants input."""
    return message("input_request", text, channel=Channel.STDIN)


def question_at(position, *said):
    """A question for which these were said at ``position``."""
    question = Question()
    question.hear(position, said or [asked()])
    return question


def again(question):
    """What a client is asked that has read all it is owed."""
    return [text_of(one) for one in question.ask_again()]


def test_who_had_acknowledged_it_is_asked_again_once():
    question = question_at(5)
    question.next_connection(acked=6)
    assert again(question) == ["ask"]
    assert again(question) == []


def test_who_reads_it_in_its_place_is_not_asked_again():
    question = question_at(5)
    question.next_connection(acked=5)
    assert again(question) == []


def test_who_has_not_gone_is_not_asked_again():
    assert again(question_at(5)) == []


def test_each_who_comes_back_is_asked():
    question = question_at(5)
    for _ in range(2):
        question.next_connection(acked=6)
        assert again(question) == ["ask"]


def test_without_a_question_nobody_is_asked():
    question = Question()
    question.next_connection(acked=6)
    assert again(question) == []


def test_the_last_question_counts():
    question = question_at(5, asked("first"), asked("last"))
    question.next_connection(acked=6)
    assert again(question) == ["last"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "end",
    [
        Question.end,
        lambda question: question.hear(7, [message("execute_reply", channel=Channel.SHELL)]),
    ],
    ids=["answered", "the cell is over"],
)
def test_what_is_over_is_not_asked_again(end, when):
    question = question_at(5)
    if when == "before":
        end(question)
    question.next_connection(acked=6)
    if when == "after":
        end(question)
    assert again(question) == []


def test_a_new_question_comes_in_its_place_while_a_client_catches_up():
    question = question_at(5)
    question.next_connection(acked=6)
    question.hear(7, [asked("new")])
    assert again(question) == []
    question.next_connection(acked=8)
    assert again(question) == ["new"]


def test_one_too_large_to_be_kept_is_asked_once_and_ends_the_one_before():
    question = question_at(5)
    question.hear(7, [asked()._replace(content=b'{"prompt":"%b"}' % (b"?" * MAX_QUESTION))])
    question.next_connection(acked=8)
    assert again(question) == []


@pytest.mark.parametrize(
    "said",
    [
        message("comm_msg", channel=Channel.STDIN),
        message("input_request", channel=Channel.STDIN)._replace(header=b"["),
        message("input_request", channel=Channel.IOPUB),
        message("interrupt_reply", channel=Channel.CONTROL),
    ],
    ids=["another type", "not JSON", "another channel", "a reply on control"],
)
def test_nothing_else_is_a_question_or_its_end(said):
    question = question_at(5, said)
    question.next_connection(acked=6)
    assert again(question) == []
    question.hear(7, [asked(), said])
    question.next_connection(acked=8)
    assert again(question) == ["ask"]

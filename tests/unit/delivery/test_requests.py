"""What a client sends: whether it goes to the kernel, and what is remembered of what did."""

import pytest

from tests.unit.examples import message, request
from w2z.delivery.requests import give_up, hear, to_kernel
from w2z.delivery.session import Session
from w2z.errors import NotAllowed
from w2z.message import Channel

REQUEST = request("execute_request", "1", buffers=(b"abc",))
END = 7
"""Of the journal."""


def session(*, resumable=True):
    """One that has just begun."""
    return Session("ann", resumable, acked=0, sent=0, floor=0)


def forwarded(asked, to):
    """Whether what a client asks goes to the kernel, which takes it."""
    forward = to_kernel(asked, to, END)
    if forward is not None:
        forward.done()
    return forward is not None


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("of", [session(), session(resumable=False), None])
def test_clients_may_send_on_every_channel_but_iopub(channel, of):
    asked = request("x", channel=channel)
    if channel is Channel.IOPUB:
        with pytest.raises(NotAllowed, match="from the kernel only"):
            to_kernel(asked, of, END)
    else:
        assert forwarded(asked, of)


def test_what_an_earlier_connection_forwarded_is_not_forwarded_again():
    ann = session()
    assert forwarded(REQUEST, ann)
    assert forwarded(REQUEST, ann), "in the same connection"
    ann.forwarded.next_connection()
    assert not forwarded(REQUEST, ann)
    assert forwarded(request("execute_request", "2"), ann)
    assert ann.counters.repeats == 1


def test_what_no_socket_took_may_be_sent_again():
    ann = session()
    to_kernel(REQUEST, ann, END)
    ann.forwarded.next_connection()
    assert forwarded(REQUEST, ann)


def test_nothing_is_a_repeat_of_who_cannot_come_back_or_is_unknown():
    eve = session(resumable=False)
    for of in (eve, None):
        assert forwarded(REQUEST, of)
        eve.forwarded.next_connection()
        assert forwarded(REQUEST, of)


@pytest.mark.parametrize("channel", [Channel.STDIN, Channel.SHELL])
def test_an_answer_on_stdin_ends_the_question_it_is_for(channel):
    ann = session()
    asks(ann)
    assert forwarded(request("input_reply", channel=channel), ann)
    assert bool(ann.question.ask_again()) == (channel is Channel.SHELL)


# What is lost


def replied(asked):
    """The kernel's reply to it."""
    parent = asked.message.header
    return message("execute_reply", channel=Channel.SHELL, parent_header=parent)


@pytest.mark.parametrize("resumable", [True, False])
def test_what_the_kernel_has_and_did_not_answer_is_given_up_with_it(resumable):
    ann = session(resumable=resumable)
    other = request("execute_request", "2")
    assert forwarded(REQUEST, ann)
    assert forwarded(other, ann)
    hear([replied(REQUEST)], ann, END)
    assert [one.msg_id for one in give_up(ann, END)] == [other.msg_id]
    assert give_up(ann, END) == []


def test_what_no_socket_took_is_not_given_up():
    ann = session()
    to_kernel(REQUEST, ann, END)
    assert give_up(ann, END) == []


def asks(of, text="ask"):
    """The kernel asks the session's client something, which its next client has not to read."""
    hear([message("input_request", text, channel=Channel.STDIN)], of, END)
    of.question.next_connection(acked=END + 1)


def test_a_kernel_that_is_gone_waits_for_no_answer():
    ann = session()
    asks(ann)
    give_up(ann, END)
    assert ann.question.ask_again() == []


def test_a_reply_ends_the_question_of_its_request():
    ann = session()
    asks(ann)
    hear([replied(REQUEST)], ann, END)
    assert ann.question.ask_again() == []

"""What a client sends: whether it goes to the kernel, and what is remembered of what did."""

import pytest

from tests.unit.examples import message, request
from w2z.delivery.journal import Journal
from w2z.delivery.repeats import Repeat
from w2z.delivery.requests import Forward, give_up, hear, to_kernel
from w2z.delivery.session import Session
from w2z.message import Channel

REQUEST = request("execute_request", "1", buffers=(b"abc",))
JOURNAL = Journal()
JOURNAL.append(None, [message("stream", "before")])
END = JOURNAL.end


def session(*, resumable=True):
    """One that has just begun."""
    return Session("ann", resumable, acked=0, sent=0, floor=0)


def forwarded(asked, to):
    """Whether what a client asks goes to the kernel, which takes it."""
    forward = to_kernel(asked, to, JOURNAL)
    if isinstance(forward, Forward):
        forward.done()
    return isinstance(forward, Forward)


def replied(asked):
    """The kernel's reply to it."""
    parent = asked.message.header
    return message("execute_reply", channel=Channel.SHELL, parent_header=parent)


def test_what_an_earlier_connection_forwarded_is_not_forwarded_again():
    ann = session()
    assert forwarded(REQUEST, ann)
    assert forwarded(REQUEST, ann), "in the same connection"
    ann.forwarded.next_connection()
    assert not forwarded(REQUEST, ann)
    assert forwarded(request("execute_request", "2"), ann)
    assert ann.counters.repeats == 1


@pytest.mark.parametrize(
    ("acked", "told"),
    [(END, Repeat([], is_gone=False)), (END + 1, Repeat([], is_gone=True))],
    ids=["not acknowledged", "acknowledged"],
)
def test_of_a_repeat_is_known_when_it_was_sent_and_whether_it_was_answered(acked, told):
    ann = session()
    assert forwarded(REQUEST, ann)
    ann.forwarded.next_connection()
    assert to_kernel(REQUEST, ann, JOURNAL) == Repeat([], is_gone=False)
    hear([replied(REQUEST)], ann, END)
    ann.acked = acked
    assert to_kernel(REQUEST, ann, JOURNAL) == told


def test_what_was_given_up_counts_as_answered():
    ann = session()
    assert forwarded(REQUEST, ann)
    give_up(ann, END)
    ann.forwarded.next_connection()
    ann.acked = END + 1
    assert to_kernel(REQUEST, ann, JOURNAL) == Repeat([], is_gone=True)


def test_the_same_in_other_memory_is_a_repeat():
    """Buffers are views into what was received."""
    ann = session()
    assert forwarded(REQUEST, ann)
    ann.forwarded.next_connection()
    header = bytes(bytearray(REQUEST.message.header))
    again = REQUEST.message._replace(header=header, buffers=(memoryview(b"abc"),))
    assert not forwarded(REQUEST._replace(message=again), ann)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": Channel.CONTROL},
        {"header": b'{"msg_id":"another"}'},
        {"parent_header": b'{"msg_id":"another"}'},
        {"metadata": b'{"a":1}'},
        {"content": b'{"code":"2"}'},
        {"buffers": (b"abd",)},
        {"buffers": (b"a", b"bc")},
        {"buffers": ()},
    ],
)
def test_what_differs_anywhere_is_no_repeat(change):
    ann = session()
    assert forwarded(REQUEST, ann)
    ann.forwarded.next_connection()
    assert forwarded(REQUEST._replace(message=REQUEST.message._replace(**change)), ann)


def test_what_no_socket_took_may_be_sent_again():
    ann = session()
    to_kernel(REQUEST, ann, JOURNAL)
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
    to_kernel(REQUEST, ann, JOURNAL)
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

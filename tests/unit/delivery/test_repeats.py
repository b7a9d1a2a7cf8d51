"""What counts as sent before: an oracle that remembers everything, and the limit by hand.

Invariant of the property test: a request is a repeat exactly when it was noted in an earlier
connection.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message
from w2z.delivery.repeats import REMEMBERED, Forwarded
from w2z.message import Channel, Message

REQUEST = message("execute_request", "1", channel=Channel.SHELL, buffers=(b"abc",))


def noted_before(*requests):
    """What an earlier connection forwarded."""
    forwarded = Forwarded()
    for request in requests:
        forwarded.note(hash(request))
    forwarded.next_connection()
    return forwarded


def test_nothing_is_a_repeat_at_first():
    assert not Forwarded().is_repeat(hash(REQUEST))


def test_nothing_is_a_repeat_within_a_connection():
    forwarded = Forwarded()
    forwarded.note(hash(REQUEST))
    assert not forwarded.is_repeat(hash(REQUEST))


def test_what_an_earlier_connection_forwarded_is_a_repeat_in_every_later_one():
    forwarded = noted_before(REQUEST)
    assert forwarded.is_repeat(hash(REQUEST))
    forwarded.next_connection()
    assert forwarded.is_repeat(hash(REQUEST))


def test_the_same_in_other_memory_is_a_repeat():
    """Buffers are views into what was received."""
    again = REQUEST._replace(header=bytes(bytearray(REQUEST.header)), buffers=(memoryview(b"abc"),))
    assert noted_before(REQUEST).is_repeat(hash(again))


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
    assert not noted_before(REQUEST).is_repeat(hash(REQUEST._replace(**change)))


def request(number):
    """One of many."""
    return message("execute_request", str(number), channel=Channel.SHELL)


def test_the_latest_requests_of_a_connection_are_remembered():
    forwarded = noted_before(*map(request, range(REMEMBERED + 1)))
    assert not forwarded.is_repeat(hash(request(0)))
    assert forwarded.is_repeat(hash(request(1)))
    assert forwarded.is_repeat(hash(request(REMEMBERED)))


def test_the_latest_requests_of_all_connections_together_are_remembered():
    forwarded = noted_before(*map(request, range(REMEMBERED)))
    assert forwarded.is_repeat(hash(request(0)))
    forwarded.note(hash(request(REMEMBERED)))
    assert forwarded.is_repeat(hash(request(0))), "until the connection ends"
    forwarded.next_connection()
    assert not forwarded.is_repeat(hash(request(0)))
    assert forwarded.is_repeat(hash(request(1)))
    assert forwarded.is_repeat(hash(request(REMEMBERED)))


A_FEW = [request(number) for number in range(5)]


@given(st.lists(st.none() | st.sampled_from(A_FEW), max_size=20))
def test_a_repeat_is_what_was_noted_in_an_earlier_connection(steps):
    """``None`` is the next connection."""
    forwarded = Forwarded()
    before: set[Message] = set()
    now: set[Message] = set()
    for step in steps:
        if step is None:
            forwarded.next_connection()
            before |= now
            now = set()
        else:
            forwarded.note(hash(step))
            now.add(step)
        for one in A_FEW:
            assert forwarded.is_repeat(hash(one)) == (one in before)

"""What the kernel owes an answer to, with a list as the oracle.

Invariants of the property test: whatever is asked and answered, in whatever order, what is given
up is what was asked and not answered, in the order in which it was asked; of requests that cannot
be told apart the oldest is answered first.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message, request
from w2z.delivery.pending import MAX_PENDING, MAX_PENDING_BYTES, Pending, Sent
from w2z.message import Channel, Request


def reply(asked, channel=None):
    """What the kernel replies to a request."""
    parent = asked.message.header
    said = asked.msg_type.removesuffix("_request") + "_reply"
    return message(said, channel=channel or asked.message.channel, parent_header=parent)


def pending(*asked):
    """These were sent to the kernel."""
    made = Pending()
    for one in asked:
        made.note(one, Sent(0))
    return made


def given_up(made):
    """The ids of what is given up."""
    return [one.msg_id for one in made.give_up(9)]


def test_what_was_not_answered_is_given_up_in_order_and_once():
    made = pending(request("execute_request", "1"), request("complete_request", "2"))
    assert len(made) == 2
    assert given_up(made) == ["id of 1", "id of 2"]
    assert given_up(made) == []


def test_a_reply_answers_its_request():
    first, second = request("execute_request", "1"), request("execute_request", "2")
    made = pending(first, second)
    made.hear(5, [reply(second)])
    assert given_up(made) == ["id of 1"]


@pytest.mark.parametrize("channel", [Channel.IOPUB, Channel.STDIN, Channel.CONTROL])
def test_a_reply_comes_on_the_channel_of_its_request(channel):
    asked = request("execute_request", "1")
    made = pending(asked)
    made.hear(5, [reply(asked, channel)])
    assert given_up(made) == ["id of 1"]


@pytest.mark.parametrize("parent", [b"{}", b"[", b'{"msg_id":["id of 1"]}', b'{"msg_id":"2"}'])
def test_what_has_another_parent_answers_nothing(parent):
    made = pending(request("execute_request", "1"))
    made.hear(5, [message("execute_reply", channel=Channel.SHELL, parent_header=parent)])
    assert given_up(made) == ["id of 1"]


def test_one_reply_answers_one_of_those_that_cannot_be_told_apart():
    asked = request("execute_request", "1")
    sent = [Sent(0), Sent(1)]
    made = Pending()
    for one in sent:
        made.note(asked, one)
    made.hear(5, [reply(asked)])
    assert [one.answered_at for one in sent] == [5, None]
    assert given_up(made) == ["id of 1"]


@pytest.mark.parametrize(
    "asked",
    [
        request("input_reply", channel=Channel.STDIN),
        request("execute_request", channel=Channel.STDIN),
        request("comm_open"),
        request("comm_msg"),
        request("comm_close", channel=Channel.CONTROL),
        request("request"),
        request("x", channel=Channel.HB),
    ],
)
def test_what_gets_no_reply_is_not_waited_for(asked):
    assert given_up(pending(asked)) == []


def test_the_position_of_an_answer_is_noted():
    sent = Sent(3)
    made = Pending()
    made.note(request("execute_request"), sent)
    assert sent == Sent(3, None)
    made.hear(7, [reply(request("execute_request"))])
    assert sent == Sent(3, 7)


def test_what_is_given_up_is_answered_by_who_gives_it_up():
    sent = Sent(3)
    made = Pending()
    made.note(request("execute_request"), sent)
    made.give_up(8)
    assert sent == Sent(3, 8)


def test_of_a_request_no_more_is_kept_than_its_answer_needs():
    asked = request("execute_request", "code", buffers=(b"buffer",))
    asked = asked._replace(message=asked.message._replace(metadata=b'{"a":1}', parent_header=b"p"))
    [kept] = pending(asked).give_up(9)
    assert kept == Request(
        message("execute_request", "code", channel=Channel.SHELL)._replace(content=b"{}"),
        "execute_request",
        "id of code",
    )


def test_what_a_shutdown_asked_for_is_kept():
    asked = request("shutdown_request", "restart", channel=Channel.CONTROL)
    [kept] = pending(asked).give_up(9)
    assert kept == asked


# The bounds


def test_so_many_are_remembered_the_latest():
    made = pending(*(request("execute_request", str(n)) for n in range(MAX_PENDING + 1)))
    assert len(made) == MAX_PENDING
    assert given_up(made)[0] == "id of 1"


def large(name, size):
    """A request whose header has so many bytes."""
    asked = request("execute_request", name)
    header = json.dumps({"msg_id": asked.msg_id, "msg_type": asked.msg_type}).encode()
    padded = header + b" " * (size - len(header) - 2)
    return asked._replace(message=asked.message._replace(header=padded))


def test_so_many_bytes_are_remembered_the_latest():
    half = MAX_PENDING_BYTES // 2
    assert given_up(pending(large("1", half), large("2", half))) == ["id of 1", "id of 2"]
    made = pending(large("1", half), large("2", half + 1))
    assert given_up(made) == ["id of 2"]
    made.note(large("3", half), Sent(0))
    made.note(large("4", half), Sent(0))
    assert given_up(made) == ["id of 3", "id of 4"], "what is gone does not count any more"


def test_what_is_larger_than_all_that_is_remembered_is_not():
    made = pending(request("execute_request", "1"), large("2", MAX_PENDING_BYTES + 1))
    assert given_up(made) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "answer"]),
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from([Channel.SHELL, Channel.CONTROL]),
    ),
    max_size=30,
)


@given(STEPS)
def test_what_is_given_up_was_asked_and_not_answered(steps):
    made = Pending()
    wanted: list[tuple[str, Channel]] = []
    for step, name, channel in steps:
        asked = request("execute_request", name, channel=channel)
        if step == "ask":
            made.note(asked, Sent(0))
            wanted.append((asked.msg_id, channel))
        else:
            made.hear(1, [reply(asked)])
            if (asked.msg_id, channel) in wanted:
                wanted.remove((asked.msg_id, channel))
    assert [(one.msg_id, one.message.channel) for one in made.give_up(9)] == wanted

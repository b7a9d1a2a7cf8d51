"""What may be dropped, what never is, and how the one it happens to is told."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message, nested, text_of
from w2z.hub.journal import MESSAGE_COST
from w2z.hub.overflow import Gap, Remains, is_droppable
from w2z.message import Channel, Message, size_of


def cost(messages: list[Message]) -> int:
    """What messages take in memory: their bytes, and the objects that hold them."""
    return size_of(messages) + len(messages) * MESSAGE_COST


DROPPABLE = ["stream", "display_data", "update_display_data"]
ESSENTIAL = [
    "status",
    "execute_reply",
    "execute_input",
    "execute_result",
    "error",
    "input_request",
    "clear_output",
    "comm_open",
    "comm_msg",
    "comm_close",
    "debug_event",
    "shutdown_reply",
    "iopub_welcome",
    "stream2",
]


@pytest.mark.parametrize("msg_type", DROPPABLE)
def test_output_a_frontend_can_do_without_may_be_dropped(msg_type):
    assert is_droppable(message(msg_type))


@pytest.mark.parametrize("msg_type", ESSENTIAL)
def test_everything_else_on_iopub_is_essential(msg_type):
    assert not is_droppable(message(msg_type))


@pytest.mark.parametrize("channel", [one for one in Channel if one is not Channel.IOPUB])
def test_what_came_on_another_channel_is_essential_whatever_it_says(channel):
    assert not is_droppable(message("stream", channel=channel))


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"\xff", b"{}", nested(100_000), b'{"msg_type":null}', b'{"msg_type":1}'],
)
def test_what_cannot_be_read_is_kept(header):
    assert not is_droppable(message("stream")._replace(header=header))


def test_what_was_dropped_in_a_row_is_one_gap_with_the_last_ones_parent():
    first = message("stream", "a", parent_header=b'{"msg_id":"cell 1"}')
    last = message("display_data", "b", parent_header=b'{"msg_id":"cell 2"}', buffers=(b"png",))
    remains = Remains()
    remains.add(first)
    remains.add(last)
    assert list(remains.items) == [Gap(2, size_of([first, last]), b'{"msg_id":"cell 2"}')]


def test_an_essential_message_parts_two_gaps():
    said = [message("stream"), message("status"), message("stream"), message("stream")]
    remains = Remains()
    for one in said:
        remains.add(one)
    before, kept, after = remains.items
    assert isinstance(before, Gap)
    assert kept is said[1]
    assert isinstance(after, Gap)
    assert (before.messages, after.messages) == (1, 2)


def test_a_gap_after_one_that_was_taken_is_a_new_one():
    remains = Remains()
    remains.add(message("stream", "a"))
    (told,) = remains.take(1)
    remains.add(message("stream", "b"))
    assert isinstance(told, Gap)
    assert told.messages == 1
    assert len(remains.items) == 1


def test_the_notice_names_messages_and_bytes_in_the_place_they_belong_to():
    notice = Gap(3, 456, b'{"msg_id":"cell"}').notice(b'{"msg_type":"stream"}')
    assert notice.channel is Channel.IOPUB
    assert notice.header == b'{"msg_type":"stream"}'
    assert notice.parent_header == b'{"msg_id":"cell"}'
    content = json.loads(notice.content)
    assert content["name"] == "stderr"
    assert re.search(r"\b3 messages \(456 bytes\)", content["text"])


def test_what_is_taken_is_about_the_size_asked_for():
    said = [message("status", str(number)) for number in range(10)]
    remains = Remains()
    for one in said:
        remains.add(one)
    assert remains.take(cost(said[:3])) == said[:3]
    assert remains.take(cost(said[3:5]) + 1) == said[3:6]


def test_the_size_is_that_of_all_messages_and_of_every_gap():
    remains = Remains()
    remains.add(message("stream", "x" * 1000))
    remains.add(message("stream", "y" * 1000))
    assert remains.size == MESSAGE_COST
    kept = message("status", "kept", buffers=(b"abc",))
    remains.add(kept)
    assert remains.size == MESSAGE_COST + cost([kept])
    remains.add(message("display_data"))
    assert remains.size == 2 * MESSAGE_COST + cost([kept])
    remains.take(1)
    assert remains.size == MESSAGE_COST + cost([kept])
    remains.take(1)
    assert remains.size == MESSAGE_COST


def test_a_gap_counts_for_what_it_takes_when_it_is_taken():
    remains = Remains()
    for said in ("stream", "status", "stream"):
        remains.add(message(said, "x" * 1000))
    assert len(remains.take(MESSAGE_COST)) == 1
    assert len(remains.take(MESSAGE_COST)) == 1
    assert len(remains.take(MESSAGE_COST)) == 1


def test_a_message_larger_than_the_size_asked_for_is_taken_all_the_same():
    big = message("execute_result", "x" * 1000)
    remains = Remains()
    remains.add(big)
    assert remains.take(1) == [big]
    assert remains.take(1) == []


def test_nothing_is_taken_when_nothing_is_asked_for():
    remains = Remains()
    remains.add(message("status"))
    assert remains.take(0) == []


STEPS = st.sampled_from([*DROPPABLE, *ESSENTIAL]) | st.integers(0, 1000)


@given(st.lists(STEPS, max_size=40))
def test_essentials_stay_in_order_and_the_gaps_count_everything_else(steps):
    remains = Remains()
    said, taken = [], []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            taken += remains.take(step)
            continue
        said.append(message(step, str(number)))
        remains.add(said[-1])
    taken += remains.take(10**9)
    assert remains.size == 0
    kept = [text_of(item) for item in taken if not isinstance(item, Gap)]
    assert kept == [text_of(one) for one in said if not is_droppable(one)]
    dropped = [one for one in said if is_droppable(one)]
    gaps = [item for item in taken if isinstance(item, Gap)]
    assert sum(gap.messages for gap in gaps) == len(dropped)
    assert sum(gap.size for gap in gaps) == size_of(dropped)

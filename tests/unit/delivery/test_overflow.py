"""What may be dropped, what never is, and how the one it happens to is told.

Invariant of the property test: whatever is added, read, acknowledged and read again from there,
what comes is everything from the acknowledged position on: the essential messages in order, and
between them gaps that count exactly the messages and bytes that were there.
"""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message, nested, text_of
from w2z.delivery.overflow import ITEM_COST, MAX_GAP_REASON, Gap, Item, Remains, is_droppable
from w2z.message import Channel, Message, size_of


def cost(messages: list[Message]) -> int:
    """What messages take in memory: their bytes, and the objects that hold them."""
    return size_of(messages) + len(messages) * ITEM_COST


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


EVERYTHING = 10**9


def remains_of(*said: Item, sent: int = 0) -> Remains:
    """What remains of batches of one message each, the first at position 0."""
    remains = Remains()
    for position, one in enumerate(said):
        remains.add(position, one, sent)
    return remains


def test_what_was_dropped_in_a_row_is_one_gap_with_the_last_ones_parent():
    first = message("stream", "a", parent_header=b'{"msg_id":"cell 1"}')
    last = message("display_data", "b", parent_header=b'{"msg_id":"cell 2"}', buffers=(b"png",))
    gap = Gap(2, size_of([first, last]), b'{"msg_id":"cell 2"}')
    assert list(remains_of(first, last).items) == [(0, gap)]


def test_what_the_store_lost_is_one_gap_with_what_was_dropped_around_it():
    out = message("stream", "a")
    remains = remains_of(out, Gap(7, 1000, b"{}"), out)
    assert remains.read(0, EVERYTHING) == ([Gap(9, 1000 + 2 * size_of([out]), b"{}")], None)


def test_an_essential_message_parts_two_gaps():
    said = [message("stream"), message("status"), message("stream"), message("stream")]
    (_, before), (_, kept), (_, after) = remains_of(*said).items
    assert isinstance(before, Gap)
    assert kept is said[1]
    assert isinstance(after, Gap)
    assert (before.messages, after.messages) == (1, 2)


def test_a_gap_behind_one_that_was_handed_out_is_a_new_one():
    """The first may turn out to have arrived, and the second not."""
    remains = remains_of(message("stream"), sent=1)
    remains.add(1, message("stream"), 1)
    remains.add(2, message("stream"), 1)
    assert [position for position, _ in remains.items] == [0, 1]
    assert remains.read(1, EVERYTHING) == ([Gap(2, 2 * size_of([message("stream")]), b"{}")], None)


def test_what_was_handed_out_is_one_gap_for_each_batch():
    remains = Remains()
    for position in (0, 0, 1, 1, 1):
        remains.add(position, message("stream"), 2)
    counts = [(position, item[0]) for position, item in remains.items]
    assert counts == [(0, 2), (1, 3)]


def test_the_notice_names_messages_and_bytes_in_the_place_they_belong_to():
    notice = Gap(3, 456, b'{"msg_id":"cell"}').notice(b'{"msg_type":"stream"}')
    assert notice.channel is Channel.IOPUB
    assert notice.header == b'{"msg_type":"stream"}'
    assert notice.parent_header == b'{"msg_id":"cell"}'
    content = json.loads(notice.content)
    assert content["name"] == "stderr"
    assert re.search(r"\b3 messages \(456 bytes\)", content["text"])


# Reading


def test_what_is_read_is_about_the_size_asked_for_and_where_to_go_on():
    said = [message("status", str(number)) for number in range(10)]
    remains = remains_of(*said)
    assert remains.read(0, cost(said[:3])) == (said[:3], 3)
    assert remains.read(3, cost(said[3:5]) + 1) == (said[3:6], 6)
    assert remains.read(6, EVERYTHING) == (said[6:], None)


def test_a_batch_is_read_as_a_whole():
    said = [message("status", str(number)) for number in range(4)]
    remains = Remains()
    for position, one in zip((0, 0, 0, 1), said, strict=True):
        remains.add(position, one, 0)
    assert remains.read(0, 1) == (said[:3], 1)
    assert remains.read(1, 1) == (said[3:], None)


def test_reading_takes_nothing_away():
    remains = remains_of(message("status"), message("stream"))
    assert remains.read(0, EVERYTHING) == remains.read(0, EVERYTHING)


def test_neighbouring_gaps_are_read_as_one():
    """Though they are kept apart, being of different batches that were handed out."""
    remains = remains_of(message("stream"), message("stream"), message("status"), sent=3)
    assert len(remains.items) == 3
    (gap, _), _ = remains.read(0, EVERYTHING)
    assert isinstance(gap, Gap)
    assert gap.messages == 2


def test_a_message_larger_than_the_size_asked_for_is_read_all_the_same():
    big = message("execute_result", "x" * 1000)
    assert remains_of(big).read(0, 1) == ([big], None)


def test_there_is_nothing_behind_the_end():
    assert Remains().read(0, EVERYTHING) == ([], None)
    assert remains_of(message("status")).read(1, EVERYTHING) == ([], None)


# Forgetting, and the size


def test_what_has_arrived_is_forgotten():
    said = [message("status", str(number)) for number in range(3)]
    remains = remains_of(*said)
    remains.forget_before(2)
    assert remains.read(0, EVERYTHING) == (said[2:], None)
    assert remains.size == cost(said[2:])
    remains.forget_before(9)
    assert (remains.read(0, EVERYTHING), remains.size) == (([], None), 0)


def test_the_size_is_that_of_all_messages_and_of_every_gap():
    remains = remains_of(message("stream", "x" * 1000), message("stream", "y" * 1000))
    assert remains.size == ITEM_COST
    kept = message("status", "kept", buffers=(b"abc",))
    remains.add(2, kept, 0)
    assert remains.size == ITEM_COST + cost([kept])
    remains.add(3, message("display_data"), 0)
    assert remains.size == 2 * ITEM_COST + cost([kept])
    remains.forget_before(2)
    assert remains.size == ITEM_COST + cost([kept])
    remains.forget_before(3)
    assert remains.size == ITEM_COST


def test_a_gap_counts_for_what_it_takes_when_it_is_read():
    remains = remains_of(*(message(said, "x" * 1000) for said in ("stream", "status", "stream")))
    assert remains.read(0, ITEM_COST)[1] == 1
    assert remains.read(1, ITEM_COST)[1] == 2
    assert remains.read(2, ITEM_COST)[1] is None


# Any order

BATCHES = st.lists(st.sampled_from([*DROPPABLE, "status", "error"]), min_size=1, max_size=3)


@given(st.lists(BATCHES | st.sampled_from(["read", "acknowledge", "again"]), max_size=30))
def test_essentials_stay_in_order_and_the_gaps_count_everything_else(steps):
    remains = Remains()
    said: list[list[Message]] = []
    acked = sent = 0
    arrived: list[Item] = []
    heard: list[Item] = []  # from ``acked`` on; the last gap may reach beyond what was read
    for step in steps:
        if isinstance(step, list):
            batch = [message(msg_type, f"{len(said)}{step}") for msg_type in step]
            for one in batch:
                remains.add(len(said), one, sent)
            said.append(batch)
        elif step == "read":
            items, place = remains.read(sent, cost([message("status")]))
            sent = len(said) if place is None else place
            heard += items
        elif step == "acknowledge":
            remains.forget_before(sent)
            arrived += heard
            acked, heard = sent, []
        else:
            sent, heard = acked, []
    rest, _ = remains.read(sent, EVERYTHING)
    everything: list[Item] = [one for batch in said for one in batch]
    assert what_is_told([*arrived, *heard, *rest]) == what_is_told(everything)
    remains.forget_before(len(said))
    assert remains.size == 0


def what_is_told(items: list[Item]) -> list[str | tuple[int, int]]:
    """The texts of essential messages, and between them the messages and bytes that were not."""
    told: list[str | tuple[int, int]] = []
    for item in items:
        if isinstance(item, Gap) or is_droppable(item):
            count, size = item[:2] if isinstance(item, Gap) else (1, size_of([item]))
            if told and isinstance(told[-1], tuple):
                told[-1] = (told[-1][0] + count, told[-1][1] + size)
            else:
                told.append((count, size))
        else:
            told.append(text_of(item))
    return told


def test_a_notice_says_when_nobody_knows_how_much_is_missing():
    notice = Gap(0, 0, b"{}", "memory had no room").notice(b"{}")
    text = json.loads(notice.content)["text"]
    many = "an unknown number of messages of output"
    assert text == f"[w2z] {many} were dropped here: memory had no room.\n"
    assert json.loads(notice.metadata) == {"w2z_gap": {"messages": 0, "bytes": 0}}


def test_a_notice_that_is_dropped_leaves_the_gap_it_told_of():
    remains = Remains()
    remains.add(0, Gap(3, 300, b"{}").notice(message("stream").header), 0)
    remains.add(1, message("stream", "one more"), 0)
    [gap], _ = remains.read(0, 10**6)
    assert isinstance(gap, Gap)
    assert gap[:2] == (4, 300 + size_of([message("stream", "one more")]))


@pytest.mark.parametrize("told", [b'{"w2z_gap":1}', b'{"w2z_gap":{"bytes":1}}', b'"w2z_gap"'])
def test_what_only_looks_like_a_notice_is_one_message(told):
    remains = Remains()
    odd = message("stream", "odd")._replace(metadata=told)
    remains.add(0, odd, 0)
    [gap], _ = remains.read(0, 10**6)
    assert isinstance(gap, Gap)
    assert gap[:2] == (1, size_of([odd]))


FAST = "the kernel sent them faster than w2z could carry them"
SLOW = "this client did not read them in time"


def test_gaps_that_become_one_say_both_reasons_once():
    one, other = Gap(1, 10, b"{}", FAST), Gap(2, 20, b"{}")
    assert one.and_then(Gap(3, 30, b"{}", FAST)) == Gap(4, 40, b"{}", FAST)
    both = one.and_then(other)
    assert both == Gap(3, 30, b"{}", f"{FAST}; {SLOW}")
    assert both.and_then(other).and_then(one).reason == both.reason
    assert one.and_then(both).reason == both.reason


def test_a_notice_that_is_dropped_leaves_its_reason():
    notice = Gap(7, 70, b"{}", FAST).notice(message("stream").header)
    remains = remains_of(notice)
    assert [one for _, one in remains.items] == [Gap(7, 70, b"{}", FAST)]


def test_a_reason_that_a_kernel_wrote_is_kept_in_part():
    notice = Gap(1, 1, b"{}", "x" * 10_000).notice(message("stream").header)
    remains = remains_of(notice)
    [(_, gap)] = remains.items
    assert isinstance(gap, Gap)
    assert len(gap.reason) == MAX_GAP_REASON

"""One session: what it needs of the journal, what it passes over, what is counted."""

import pytest

from tests.unit.examples import message, request
from w2z.delivery.overflow import Gap
from w2z.delivery.pending import Sent
from w2z.delivery.session import OFFSETS, PART, Counters, Part, Session
from w2z.message import Channel, Message


def session(
    *, resumable: bool = True, acked: int = 3, sent: int = 5, floor: int = 0
) -> Session[str]:
    """A session in the middle of things."""
    return Session("ann", resumable, acked=acked, sent=sent, floor=floor)


def test_it_needs_what_is_not_acknowledged():
    assert session().needs(end=9) == 3


def test_it_needs_nothing_before_its_floor():
    assert session(floor=4).needs(end=9) == 4


@pytest.mark.parametrize(("resumable", "needs"), [(True, 3), (False, 9)])
def test_while_it_flows_it_needs_something_only_if_it_can_come_back(resumable, needs):
    flowing = session(resumable=resumable)
    flowing.flowing = True
    assert flowing.needs(end=9) == needs


def test_one_that_cannot_come_back_needs_what_it_has_not_read_while_it_does_not_flow():
    assert session(resumable=False).needs(end=9) == 3


def test_it_has_been_handed_what_it_read_or_all_while_it_flows():
    one = session()
    assert one.position(end=9) == 5
    one.flowing = True
    assert one.position(end=9) == 9


def test_another_client_begins_with_what_has_not_arrived():
    one = session(acked=3, sent=5)
    one.forwarded.note(1, Sent(0))
    one.question.hear(2, [message("input_request", channel=Channel.STDIN)])
    one.rewind()
    assert (one.acked, one.sent, one.handed) == (3, 3, 5)
    assert one.counters == Counters(resent=2)
    assert one.forwarded.find(1), "it may be sent again"
    assert one.question.ask_again(), "it had been acknowledged"


def test_what_was_handed_out_once_stays_so():
    one = session(acked=3, sent=5)
    one.rewind()
    one.sent = 4
    one.rewind()
    assert one.handed == 5


def test_it_passes_over_messages_of_one_batch_only():
    newcomer = session()
    newcomer.skip = (3, 2)
    assert [newcomer.skipped_at(position) for position in (2, 3, 4)] == [0, 2, 0]


def test_one_that_asked_for_nothing_passes_over_nothing():
    assert session(acked=0, sent=0).skipped_at(0) == 0


def test_each_has_its_own_of_everything():
    ann, bob = session(), session()
    ann.counters.gaps += 1
    assert bob.counters == Counters()
    assert ann.remains is not bob.remains
    assert ann.question is not bob.question
    assert ann.pending is not bob.pending
    assert ann.forwarded is not bob.forwarded


def test_counters_add_up_one_by_one():
    total = Counters(1, 2, 3, 4, 5, 6)
    assert total.add(Counters(10, 20, 30, 40, 50, 60), Counters()) is total
    assert total.add() == Counters(11, 22, 33, 44, 55, 66)


def test_a_message_is_told_as_it_is_and_a_gap_as_a_counted_notice():
    ann = session()
    said = message("stream", "1")
    assert ann.as_message(said, lambda: b"{}") is said
    assert ann.counters == Counters()
    gap = Gap(2, 30, b"{}")
    assert ann.as_message(gap, lambda: b"{}") == gap.notice(b"{}")
    assert ann.as_message(gap, lambda: b"{}") == gap.notice(b"{}")
    assert ann.counters == Counters(gaps=2, dropped_messages=4, dropped_bytes=60)


def test_it_is_owed_a_reply_until_that_comes():
    ann, asked = session(), request("execute_request")
    assert not ann.is_owed_reply
    ann.pending.note(asked, Sent(0))
    assert ann.is_owed_reply


def said(count: int) -> list[Message]:
    return [message("stream", str(number)) for number in range(count)]


def test_what_it_reads_comes_in_parts_that_end_at_points():
    ann, few, many = session(sent=9), said(PART - 2), said(PART)
    parts = ann.parts([(6, few), (8, many)], lambda: b"{}")
    assert parts == [
        Part([*few, *many[:2]], 8 * OFFSETS + 2),
        Part(many[2:], 9 * OFFSETS),
    ]
    assert ann.parts([], lambda: b"{}") == []


def test_parts_are_without_what_it_passes_over_and_a_gap_is_never_that():
    ann = session(sent=9)
    ann.skip = (6, 2)
    assert ann.parts([(6, said(3))], lambda: b"{}") == [Part(said(3)[2:], 9 * OFFSETS)]
    assert ann.parts([(6, said(2))], lambda: b"{}") == []
    gap = Gap(2, 30, b"{}")
    assert ann.parts([(6, [gap])], lambda: b"{}") == [Part([gap.notice(b"{}")], 9 * OFFSETS)]

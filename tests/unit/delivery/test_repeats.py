"""What counts as sent before: an oracle that remembers everything, and the limit by hand.

Invariant of the property test: a request is a repeat exactly when it was noted in an earlier
connection, to the same kernel.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message, request, text_of
from tests.unit.shelf import Shelf
from w2z.delivery.journal import Journal
from w2z.delivery.pending import Sent
from w2z.delivery.repeats import REMEMBERED, Forwarded, Repeat, repeat_of
from w2z.message import Channel, Message

SENT = Sent(0)


def noted_before(*digests):
    """What an earlier connection forwarded."""
    forwarded = Forwarded()
    for digest in digests:
        forwarded.note(digest, SENT)
    forwarded.next_connection()
    return forwarded


def test_nothing_is_a_repeat_at_first():
    assert Forwarded().find(1) is None


def test_nothing_is_a_repeat_within_a_connection():
    forwarded = Forwarded()
    forwarded.note(1, SENT)
    assert forwarded.find(1) is None


def test_what_an_earlier_connection_forwarded_is_a_repeat_in_every_later_one():
    forwarded = noted_before(1)
    assert forwarded.find(1) is SENT
    forwarded.next_connection()
    assert forwarded.find(1) is SENT
    assert forwarded.find(2) is None


def test_what_was_forwarded_again_counts():
    forwarded = noted_before(1)
    again = Sent(7)
    forwarded.note(1, again)
    forwarded.next_connection()
    assert forwarded.find(1) is again


def test_nothing_is_a_repeat_for_another_kernel():
    forwarded = noted_before(1)
    forwarded.note(2, SENT)
    forwarded.forget()
    forwarded.next_connection()
    assert forwarded.find(1) is None
    assert forwarded.find(2) is None


def test_the_latest_requests_of_a_connection_are_remembered():
    forwarded = noted_before(*range(REMEMBERED + 1))
    assert forwarded.find(0) is None
    assert forwarded.find(1) is SENT
    assert forwarded.find(REMEMBERED) is SENT


def test_the_latest_requests_of_all_connections_together_are_remembered():
    forwarded = noted_before(*range(REMEMBERED))
    assert forwarded.find(0) is SENT
    forwarded.note(REMEMBERED, SENT)
    assert forwarded.find(0) is SENT, "until the connection ends"
    forwarded.next_connection()
    assert forwarded.find(0) is None
    assert forwarded.find(1) is SENT
    assert forwarded.find(REMEMBERED) is SENT


@given(st.lists(st.sampled_from(["next connection", "another kernel", 1, 2, 3]), max_size=20))
def test_a_repeat_is_what_was_noted_in_an_earlier_connection(steps):
    forwarded = Forwarded()
    before: set[int] = set()
    now: set[int] = set()
    for step in steps:
        if step == "next connection":
            forwarded.next_connection()
            before |= now
            now = set()
        elif step == "another kernel":
            forwarded.forget()
            before, now = set(), set()
        else:
            forwarded.note(step, SENT)
            now.add(step)
        for digest in (1, 2, 3):
            assert (forwarded.find(digest) is not None) == (digest in before)


# What its client is told

REQUEST = request("execute_request", "1")
NOTHING = Repeat([], is_gone=False)
GONE = Repeat([], is_gone=True)


def child(
    msg_type: str, text: str, channel: Channel = Channel.IOPUB, of: bytes = REQUEST.message.header
) -> Message:
    """Something with the request as its parent."""
    return message(msg_type, text, channel=channel, parent_header=of)


REPLY = child("execute_reply", "reply", Channel.SHELL)


def journal_of(*said: Message, store: Shelf | None = None, tail: int = 2**20) -> Journal:
    """All that was said since the kernel got the request, to ann or to all: each a batch."""
    journal = Journal(store, tail)
    for one in said:
        journal.append(None if one.channel is Channel.IOPUB else "ann", [one])
    return journal


def told(journal, *, answered_at, acked=9, at=0, session_id="ann"):
    """What happens when ann sends it again."""
    return repeat_of(Sent(at, answered_at), REQUEST, session_id, acked, journal)


def test_who_waits_for_its_answer_is_told_nothing():
    assert told(journal_of(), answered_at=None) == NOTHING


@pytest.mark.parametrize(("acked", "repeat"), [(0, NOTHING), (5, NOTHING), (6, GONE), (9, GONE)])
def test_who_gets_its_answer_with_the_resume_is_told_nothing(acked, repeat):
    assert told(journal_of(), answered_at=5, acked=acked) == repeat


def test_what_was_answered_is_said_again_in_order():
    journal = journal_of(
        message("status", "before"),
        child("status", "busy"),
        child("stream", "output"),
        message("stream", "another's"),
        REPLY,
        child("status", "idle"),
    )
    answer, is_gone = told(journal, answered_at=4, at=1)
    assert [text_of(one) for one in answer] == ["busy", "output", "reply", "idle"]
    assert not is_gone


def test_what_was_said_again_already_is_not_doubled():
    journal = journal_of(child("stream", "output"), REPLY)
    for _ in range(3):
        answer, _ = told(journal, answered_at=1)
        assert [text_of(one) for one in answer] == ["output", "reply"]
        journal.append("ann", answer)


def test_what_was_said_to_others_is_not_said_again():
    journal = journal_of(REPLY)
    journal.append("bob", [child("execute_reply", "bob's", Channel.SHELL)])
    assert told(journal, answered_at=0).answer == [REPLY]


def test_a_question_is_not_asked_again():
    """Nobody waits for its answer."""
    journal = journal_of(child("input_request", "ask", Channel.STDIN), REPLY)
    assert told(journal, answered_at=1).answer == [REPLY]


@pytest.mark.parametrize(
    "parent", [b"[", b"{}", b'{"msg_id":["id of 1"]}', b'{"msg_id":"id of 2"}']
)
def test_what_has_another_parent_is_not_said_again(parent):
    journal = journal_of(child("stream", "x", of=parent), REPLY)
    assert told(journal, answered_at=1).answer == [REPLY]


def test_a_parent_is_the_same_however_the_kernel_spells_it():
    spelled = child(
        "execute_reply", "reply", Channel.SHELL, b'{ "a": 1, "msg_id": "id of \\u0031"}'
    )
    assert told(journal_of(spelled), answered_at=0).answer == [spelled]


def test_an_answer_that_has_lost_its_beginning_is_gone():
    journal = journal_of(child("stream", "output"), REPLY, tail=0)
    journal.trim(1)
    assert told(journal, answered_at=1) == GONE


def test_an_answer_in_the_store_is_gone():
    journal = journal_of(child("stream", "output"), REPLY, store=Shelf())
    journal.spill()
    assert told(journal, answered_at=1) == GONE


def test_it_has_a_length_for_what_it_takes_in_memory():
    forwarded = Forwarded()
    forwarded.note(1, Sent(0))
    forwarded.next_connection()
    forwarded.note(2, Sent(0))
    assert len(forwarded) == 2

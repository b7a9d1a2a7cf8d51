"""The log and its positions, with a plain list as the oracle."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import message
from w2z.hub.journal import MESSAGE_COST, Batch, Journal
from w2z.message import Message, size_of

ONE = [message("stream", "one")]
TWO = [message("stream", "two"), message("status", "two")]


def cost(batch: Sequence[Message]) -> int:
    """What the batch takes in memory: its bytes, and the objects that hold them."""
    return size_of(batch) + len(batch) * MESSAGE_COST


def test_a_batch_is_for_its_addressee_or_for_all():
    assert Batch("ann", ONE, 0).is_for("ann")
    assert not Batch("ann", ONE, 0).is_for("bob")
    assert Batch(None, ONE, 0).is_for("bob")
    # A session_id is any string: an empty one is not everybody.
    assert not Batch("", ONE, 0).is_for("bob")


def test_a_new_journal_ends_where_it_starts():
    journal = Journal()
    assert (journal.start, journal.end, journal.size) == (0, 0, 0)


def test_a_batch_is_found_at_the_end_it_was_appended_to():
    journal = Journal()
    journal.append(None, ONE)
    at = journal.end
    journal.append("ann", TWO)
    assert journal.at(at) == Batch("ann", TWO, cost(TWO))
    assert journal.end == at + 1


def test_the_size_is_that_of_all_it_keeps():
    journal = Journal()
    journal.append(None, ONE)
    journal.append(None, TWO)
    assert journal.size == cost(ONE) + cost(TWO)
    journal.trim(1)
    assert journal.size == cost(TWO)


def test_positions_stay_what_they_are_when_the_start_goes():
    journal = Journal()
    journal.append(None, ONE)
    journal.append(None, TWO)
    journal.trim(1)
    assert journal.start == 1
    assert journal.at(1).messages is TWO


def test_nothing_is_trimmed_beyond_the_end_and_nothing_twice():
    journal = Journal()
    journal.append(None, ONE)
    journal.trim(100)
    journal.trim(0)
    assert (journal.start, journal.end, journal.size) == (1, 1, 0)


@given(st.lists(st.sampled_from([ONE, TWO]) | st.integers(0, 20), max_size=30))
def test_a_journal_keeps_what_was_appended_from_the_last_trim_on(steps):
    journal = Journal()
    everything: list[Sequence[Message]] = []
    start = 0
    for step in steps:
        if isinstance(step, int):
            journal.trim(step)
            start = max(start, min(step, len(everything)))
        else:
            journal.append(None, step)
            everything.append(step)
        assert (journal.start, journal.end) == (start, len(everything))
        kept = [journal.at(position).messages for position in range(start, len(everything))]
        assert kept == everything[start:]
        assert journal.size == sum(map(cost, kept))

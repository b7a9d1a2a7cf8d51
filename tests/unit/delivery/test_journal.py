"""The log and its positions, with a plain list as the oracle.

Invariants of the property test: whatever is appended, trimmed and moved to a store that fails at
times, the positions count what was appended; from ``start`` on every batch is read as it was, or
is a gap that counts it; no position below the last trim is kept in memory but for the tail; what
``memory`` and ``spilled`` count adds up; and each token is freed exactly once.
"""

import errno
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.delivery.examples import read
from tests.unit.examples import message
from tests.unit.shelf import Shelf
from w2z.delivery.journal import LONG_LOAD, SPILL_BATCH_SIZE, Batch, Chunk, Journal
from w2z.delivery.overflow import ITEM_COST, Gap
from w2z.message import Channel, Message, size_of

ONE = [message("stream", "one")]
TWO = [message("stream", "two"), message("status", "two", buffers=(b"\0\xff",))]
LARGE = [message("stream", "large", buffers=(bytes(SPILL_BATCH_SIZE),))]


def cost(batch: Sequence[Message]) -> int:
    """What the batch takes in memory: its bytes, and the objects that hold them."""
    return size_of(batch) + len(batch) * ITEM_COST


def filled(*batches: Sequence[Message], store: Shelf | None = None, tail: int = 0) -> Journal:
    """A journal of batches for all."""
    journal = Journal(store, tail)
    for batch in batches:
        journal.append(None, batch)
    return journal


def test_a_batch_is_for_its_addressee_or_for_all():
    assert Batch("ann", ONE, 0, 0).is_for("ann")
    assert not Batch("ann", ONE, 0, 0).is_for("bob")
    assert Batch(None, ONE, 0, 0).is_for("bob")
    # A session_id is any string: an empty one is not everybody.
    assert not Batch("", ONE, 0, 0).is_for("bob")


def test_a_new_journal_ends_where_it_starts():
    journal = Journal()
    assert (journal.start, journal.end, journal.memory, journal.spilled) == (0, 0, 0, 0)
    assert list(journal.backwards()) == []
    assert not journal.spill()


# In memory


def test_a_batch_is_read_at_the_end_it_was_appended_to():
    journal = filled(ONE)
    at = journal.end
    journal.append("ann", TWO)
    assert read(journal, at, "ann") == (TWO, at + 1)


def test_what_is_for_another_is_passed_over():
    journal = Journal()
    journal.append("ann", TWO)
    assert read(journal, 0, "bob") == ([], 1)


def once(journal: Journal, session_id: str = "ann") -> list[list[Message]]:
    """What is read from the beginning, if so many batches were handed out before."""
    found = []
    for handed in range(4):
        heard: list[Message] = []
        at = 0
        while at < journal.end:
            items, at = read(journal, at, session_id, handed)
            heard += [item for item in items if isinstance(item, Message)]
        found.append(heard)
    return found


def test_what_is_to_be_read_once_is_passed_over_by_who_was_handed_it():
    journal = filled(ONE, store=Shelf())
    journal.append(None, TWO, once=True)
    journal.append(None, ONE)
    read = [ONE + TWO + ONE] * 2 + [ONE + ONE] * 2
    assert once(journal) == read
    journal.spill()
    assert journal.memory == 0
    assert once(journal) == read, "from the store as well"


def test_what_another_is_to_read_once_is_passed_over():
    journal = Journal()
    journal.append("bob", TWO, once=True)
    assert once(journal) == [[]] * 4


def test_the_size_is_that_of_all_it_keeps():
    journal = filled(ONE, TWO)
    assert journal.memory == cost(ONE) + cost(TWO)
    journal.trim(1)
    assert journal.memory == cost(TWO)


def test_positions_stay_what_they_are_when_the_start_goes():
    journal = filled(ONE, TWO)
    journal.trim(1)
    assert journal.start == 1
    assert read(journal, 1, "ann") == (TWO, 2)


def test_nothing_is_trimmed_beyond_the_end_and_nothing_twice():
    journal = filled(ONE)
    journal.trim(100)
    journal.trim(0)
    assert (journal.start, journal.end, journal.memory) == (1, 1, 0)


def test_the_tail_stays_and_not_a_batch_more():
    journal = filled(ONE, ONE, TWO, tail=cost(ONE) + cost(TWO))
    journal.trim(3)
    assert journal.start == 1
    journal = filled(ONE, ONE, TWO, tail=cost(ONE) + cost(TWO) + 1)
    journal.trim(3)
    assert journal.start == 0
    journal.trim(3, keep_tail=False)
    assert journal.start == 3


def test_the_size_from_a_position_on_is_that_of_what_comes_there():
    journal = filled(ONE, TWO, ONE)
    assert [journal.size_from(at) for at in range(5)] == [
        cost(ONE) + cost(TWO) + cost(ONE),
        cost(TWO) + cost(ONE),
        cost(ONE),
        0,
        0,
    ]


def test_what_is_in_memory_is_gone_through_backwards():
    journal = filled(ONE, TWO)
    journal.append("ann", ONE)
    found = [(at, batch.addressee, batch.messages) for at, batch in journal.backwards()]
    assert found == [(2, "ann", ONE), (1, None, TWO), (0, None, ONE)]


def test_what_is_in_memory_from_a_position_on_is_all_or_nothing():
    journal = filled(ONE, TWO, LARGE, ONE, store=Shelf())
    found = [[batch.messages for batch in journal.in_memory(at)] for at in range(6)]
    assert found == [[ONE, TWO, LARGE, ONE], [TWO, LARGE, ONE], [LARGE, ONE], [ONE], [], []]
    journal.spill()
    found = [[batch.messages for batch in journal.in_memory(at)] for at in range(5)]
    assert found == [[], [], [], [ONE], []]


def test_the_last_messages_to_all_begin_in_a_batch_perhaps_in_its_middle():
    journal = filled(ONE, TWO)
    journal.append("ann", TWO)
    journal.append(None, TWO)
    places = {count: journal.last(count) for count in (-1, 0, 1, 2, 3, 4, 5, 9)}
    assert places == {
        -1: (4, 0),
        0: (4, 0),
        1: (3, 1),
        2: (3, 0),
        3: (1, 1),
        4: (1, 0),
        5: (0, 0),
        9: (0, 0),
    }


def test_the_last_messages_are_those_in_memory():
    journal = filled(LARGE, ONE, store=Shelf())
    journal.spill()
    assert journal.last(9) == (1, 0)
    assert Journal().last(9) == (0, 0)


def test_the_oldest_is_one_batch():
    journal = filled(ONE, TWO)
    assert journal.oldest() == [(0, Batch(None, ONE, cost(ONE), 0))]
    journal.trim(1)
    assert journal.oldest() == [(1, Batch(None, TWO, cost(TWO), cost(ONE)))]


# In the store


def test_about_a_chunk_is_moved_at_once_the_oldest_first():
    journal = filled(ONE, LARGE, TWO, ONE, store=Shelf())
    assert journal.spill()
    assert journal.spilled == cost(ONE) + cost(LARGE)
    assert journal.memory == cost(TWO) + cost(ONE)
    assert [at for at, _ in journal.backwards()] == [3, 2]
    assert journal.spill()
    assert (journal.memory, journal.start) == (0, 0)
    assert not journal.spill()


def test_what_was_moved_is_read_as_it_was():
    journal = Journal(Shelf())
    odd = Message(Channel.STDIN, b"", b"\xff", b"{}", b"\0", (memoryview(b"abc"), b""))
    journal.append(None, ONE)
    journal.append("ann", [odd])
    journal.append(None, TWO)
    journal.spill()
    assert read(journal, 0, "ann") == ([*ONE, odd, *TWO], 3)
    assert read(journal, 0, "bob") == ([*ONE, *TWO], 3)
    assert read(journal, 1, "bob") == (TWO, 3)
    assert read(journal, 2, "ann") == (TWO, 3)


def test_the_right_chunk_is_read():
    journal = filled(LARGE, TWO, LARGE, ONE, store=Shelf())
    journal.spill()
    journal.spill()
    assert read(journal, 0, "ann") == (LARGE, 1)
    assert read(journal, 1, "ann") == ([*TWO, *LARGE], 3)
    assert read(journal, 2, "ann") == (LARGE, 3)
    assert read(journal, 3, "ann") == (ONE, 4)
    assert journal.size_from(0) == 2 * cost(LARGE) + cost(TWO) + cost(ONE)
    assert journal.size_from(1) == cost(TWO) + cost(LARGE) + cost(ONE)
    assert journal.size_from(2) == journal.size_from(1), "that of its chunk"


def test_a_long_chunk_is_loaded_once_for_all_until_it_is_let_go():
    shelf = Counting()
    huge = [message("stream", "huge", buffers=(bytes(LONG_LOAD),))]
    journal = filled(huge, LARGE, huge, store=shelf)
    while journal.spill():
        pass
    first, _ = read(journal, 0, "ann")
    assert read(journal, 0, "bob")[0][0] is first[0]
    assert shelf.reads == 1
    journal.let_go()
    assert read(journal, 0, "bob") == (huge, 1)
    assert shelf.reads == 2
    read(journal, 1, "ann")
    read(journal, 1, "bob")
    assert shelf.reads == 4, "what is short is loaded each time"
    journal.trim(2)
    assert read(journal, 2, "ann") == (huge, 3)
    journal.trim(3)
    assert shelf.kept == {}
    assert journal._loaded is None


class Counting(Shelf):
    """A store that counts what is read of it."""

    reads = 0

    def read(self, token: int) -> bytes:
        self.reads += 1
        return super().read(token)


def test_a_chunk_is_freed_when_all_of_it_is_trimmed():
    shelf = Shelf()
    journal = filled(ONE, LARGE, TWO, LARGE, store=shelf)
    journal.spill()
    journal.spill()
    journal.trim(1)
    assert (len(shelf.kept), journal.start) == (2, 0)
    journal.trim(3)
    assert (len(shelf.kept), journal.start) == (1, 2)
    journal.trim(4)
    assert (len(shelf.kept), journal.start, journal.spilled) == (0, 4, 0)


def test_nothing_in_memory_goes_before_what_is_older_in_the_store():
    journal = filled(ONE, LARGE, TWO, store=Shelf())
    journal.spill()
    journal.trim(1)
    assert journal.memory == cost(TWO)
    journal.trim(3)
    assert journal.memory == 0


def test_the_oldest_is_a_whole_chunk():
    journal = filled(ONE, LARGE, TWO, store=Shelf())
    journal.spill()
    assert [at for at, _ in journal.oldest()] == [0, 1]
    assert [batch.messages for _, batch in journal.oldest() if isinstance(batch, Batch)] == [
        ONE,
        LARGE,
    ]


# A store that fails


class Complaints(list[int | None]):
    """What the store could not do, as the errors' numbers."""

    def __call__(self, error: OSError) -> None:
        self.append(error.errno)


def test_what_the_store_does_not_take_stays_in_memory():
    complaints = Complaints()
    shelf = Shelf()
    journal = Journal(shelf, report=complaints)
    journal.append(None, ONE)
    shelf.is_full = True
    assert not journal.spill()
    assert (journal.memory, journal.spilled) == (cost(ONE), 0)
    assert read(journal, 0, "ann") == (ONE, 1)
    assert complaints == [errno.ENOSPC]


def test_without_a_store_everything_stays_in_memory():
    journal = filled(ONE)
    assert not journal.spill()
    assert read(journal, 0, "ann") == (ONE, 1)


def test_what_is_too_large_to_be_moved_stays_in_memory():
    """Nothing is copied: such a buffer takes no memory before it is written to."""
    complaints = Complaints()
    journal = Journal(Shelf(), report=complaints)
    journal.append(None, [message("stream", buffers=(bytes(2**31),))])
    assert not journal.spill()
    assert complaints == [errno.EFBIG]
    assert journal.memory > 2**31


def test_what_the_store_lost_is_a_gap_of_all_that_was_moved_with_it():
    complaints = Complaints()
    shelf = Shelf()
    journal = Journal(shelf, report=complaints)
    journal.append("bob", ONE)
    journal.append(None, TWO)
    journal.spill()
    journal.append(None, ONE)
    shelf.has_lost = True
    gap = Gap(3, size_of([*ONE, *TWO]), b"{}")
    assert read(journal, 0, "ann") == ([gap], 2)
    assert read(journal, 1, "ann") == ([gap], 2)
    assert journal.oldest() == [(1, gap)]
    assert complaints == [errno.EIO] * 3
    assert read(journal, 2, "ann") == (ONE, 3)


def test_by_default_nobody_is_told():
    shelf = Shelf()
    shelf.is_full = True
    assert not filled(ONE, store=shelf).spill()


# Any order


STEPS = st.one_of(
    st.sampled_from([ONE, TWO, LARGE]),
    st.tuples(st.just("trim"), st.integers(0, 20), st.booleans()),
    st.sampled_from(["spill", "full", "not full"]),
)


@given(st.lists(STEPS, max_size=30), st.sampled_from([0, 2000, SPILL_BATCH_SIZE]))
def test_a_journal_keeps_what_was_appended_from_the_last_trim_on(steps, tail):
    shelf = Shelf()
    journal = Journal(shelf, tail)
    everything: list[Sequence[Message]] = []
    trimmed = 0
    for step in steps:
        if isinstance(step, tuple):
            _, position, keep_tail = step
            journal.trim(position, keep_tail=keep_tail)
            trimmed = max(trimmed, min(position, len(everything)))
        elif step == "spill":
            journal.spill()
        elif isinstance(step, str):
            shelf.is_full = step == "full"
        else:
            journal.append(None, step)
            everything.append(step)
        assert journal.end == len(everything)
        assert journal.start <= trimmed
        assert told_from(journal, journal.start) == [
            one for batch in everything[journal.start :] for one in batch
        ]
        size = sum(map(cost, everything[journal.start :]))
        assert journal.memory + journal.spilled == size
        assert journal.memory == sum(batch.size for _, batch in journal.backwards())
        assert (len(shelf.kept) > 0) == (journal.spilled > 0)
        shelf.has_lost = True
        gaps = [one for one in told_from(journal, journal.start) if isinstance(one, Gap)]
        assert sum(ITEM_COST * gap.messages + gap.size for gap in gaps) == journal.spilled
        shelf.has_lost = False
    journal.trim(journal.end, keep_tail=False)
    assert (journal.memory, journal.spilled, shelf.kept) == (0, 0, {})


def told_from(journal: Journal, position: int) -> list[Message | Gap]:
    """All that is read from there on."""
    told: list[Message | Gap] = []
    while position < journal.end:
        items, position = read(journal, position, "ann")
        told += items
    return told


def test_a_chunk_says_what_its_loss_means():
    chunk = Chunk(start=0, end=2, size=3 * ITEM_COST + 50, offset=0, messages=3, token=1)
    assert chunk.gap == Gap(3, 50, b"{}")

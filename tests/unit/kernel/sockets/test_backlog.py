"""What waits between receiving and working, with a plain list as the oracle.

Invariants of the property test: whatever is appended and taken, with a store that fails at times,
what leaves is what came, in order; only what may go is missing, its messages and bytes are named
exactly once, in its place; memory is bounded unless nothing in it may go; no token is left; an
action comes after all that came before it, and before the batch after that.
"""

import itertools
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory import growth
from tests.unit.shelf import Shelf
from w2z.kernel.sockets.backlog import (
    BATCH,
    FRONT,
    MESSAGE_COST,
    MOST_MEMORY,
    MOST_TURNS,
    SPILL_AT,
    TURNS_SIZE,
    Backlog,
)

LARGE = SPILL_AT // 2


class Waiting:
    """A backlog, and what left it: multiparts, and numbers of messages and bytes for gaps."""

    def __init__(self, store: Shelf | None) -> None:
        self.left: list[list[bytes] | tuple[int, int]] = []
        self.troubles: list[OSError] = []
        self.backlog = Backlog(store, may_go, self.missing, self.troubles.append)

    def missing(self, messages: int, size: int) -> None:
        self.left.append((messages, size))

    def take(self) -> None:
        self.left += self.backlog.pop()

    def take_all(self) -> list[list[bytes] | tuple[int, int]]:
        while self.backlog:
            self.take()
        return self.left


def may_go(parts: list[bytes]) -> bool:
    return parts[0] == b"stream"


def parts(number: int, size: int = 1, kind: bytes = b"stream") -> list[bytes]:
    return [kind, b"%d" % number, bytes(size)]


def size_of(message: list[bytes]) -> int:
    return sum(map(len, message))


def gaps(left: list[list[bytes] | tuple[int, int]]) -> list[tuple[int, int]]:
    return [item for item in left if isinstance(item, tuple)]


def gone_by(left: list[list[bytes] | tuple[int, int]]) -> int:
    """Messages that left or are named as missing."""
    return sum(item[0] if isinstance(item, tuple) else 1 for item in left)


def test_an_empty_one_has_nothing():
    assert not Waiting(None).backlog


def test_a_batch_of_nothing_is_nothing():
    waiting = Waiting(None)
    waiting.backlog.append([])
    assert not waiting.backlog
    assert waiting.backlog.memory == 0


def test_a_little_waits_in_memory_as_it_came():
    shelf = Shelf()
    waiting = Waiting(shelf)
    batches = [[parts(n), parts(n + 1)] for n in range(0, 10, 2)]
    for batch in batches:
        waiting.backlog.append(batch)
    assert not shelf.kept
    assert [waiting.backlog.pop() for _ in batches] == batches
    assert not waiting.backlog
    assert waiting.backlog.memory == 0


def test_much_goes_to_the_store_and_comes_back_in_order():
    shelf = Shelf()
    waiting = Waiting(shelf)
    sent = [parts(n, LARGE) for n in range(100)]
    for message in sent:
        waiting.backlog.append([message])
        assert waiting.backlog.memory <= FRONT + SPILL_AT + LARGE + MESSAGE_COST
    assert shelf.kept
    assert waiting.take_all() == sent
    assert not shelf.kept
    assert waiting.backlog.memory == 0


def test_what_comes_back_from_the_store_is_no_more_work_at_once_than_what_came():
    waiting = Waiting(Shelf())
    sent = [parts(n, 100) for n in range(30_000)]
    waiting.backlog.append(sent)
    waiting.backlog.append(sent)
    while waiting.backlog:
        assert len(waiting.backlog.pop()) <= BATCH


@pytest.mark.parametrize("store", [None, Shelf()])
def test_without_room_what_may_go_is_named_in_its_place(store):
    if store is not None:
        store.is_full = True
    waiting = Waiting(store)
    full = FRONT - MESSAGE_COST - size_of(parts(0, 0))
    waiting.backlog.append([parts(0, full)])
    busy, idle = parts(1, kind=b"status"), parts(9, kind=b"status")
    gone = [parts(n, LARGE) for n in range(2, 9)]
    for message in (busy, *gone, idle):
        waiting.backlog.append([message])
    assert waiting.backlog.memory <= FRONT + SPILL_AT + LARGE
    found = waiting.take_all()
    assert found[1] == busy
    assert found[-1] == idle
    [gap] = gaps(found)
    still_there = [item for item in found if isinstance(item, list) and item in gone]
    assert gap == (7 - len(still_there), sum(map(size_of, gone[: 7 - len(still_there)])))
    assert still_there == gone[7 - len(still_there) :]
    assert len(waiting.troubles) >= (store is not None)


def test_what_the_store_lost_is_named():
    shelf = Shelf()
    waiting = Waiting(shelf)
    sent = [parts(n, LARGE) for n in range(30)]
    for message in sent:
        waiting.backlog.append([message])
    shelf.has_lost = True
    found = waiting.take_all()
    lost = gaps(found)
    there = [item for item in found if isinstance(item, list)]
    assert lost
    assert sum(messages for messages, _ in lost) + len(there) == 30
    assert sum(size for _, size in lost) + sum(map(size_of, there)) == sum(map(size_of, sent))
    assert not shelf.kept


def test_clearing_gives_the_store_back():
    shelf = Shelf()
    waiting = Waiting(shelf)
    for n in range(50):
        waiting.backlog.append([parts(n, LARGE)])
    waiting.backlog.clear()
    assert not waiting.backlog
    assert not shelf.kept
    assert waiting.backlog.memory == 0


def test_an_action_comes_when_what_waited_before_it_has_left():
    waiting = Waiting(Shelf())
    seen: list[object] = []
    waiting.backlog.append([parts(0), parts(1)])
    waiting.backlog.then(lambda: seen.append("first"))
    waiting.backlog.then(lambda: seen.append("second"))
    waiting.backlog.append([parts(2)])
    assert waiting.backlog.pop() == [parts(0), parts(1)]
    assert seen == []
    assert waiting.backlog.pop() == []
    assert seen == ["first"]
    assert waiting.backlog.pop() == []
    assert seen == ["first", "second"]
    assert waiting.backlog.pop() == [parts(2)]
    waiting.backlog.then(lambda: seen.append("third"))
    assert waiting.backlog
    assert waiting.take_all() == []
    assert seen[-1] == "third"


def test_actions_that_keep_much_do_not_all_wait():
    waiting = Waiting(Shelf())
    seen: list[object] = []
    waiting.backlog.append([parts(0)])
    for number in range(5):
        waiting.backlog.then(partial(seen.append, number), TURNS_SIZE // 2)
    assert seen == [0, 1, 2]
    waiting.take_all()
    assert seen == [0, 1, 2, 3, 4]


def test_what_leaves_next_is_not_written_to_the_store_however_large_it_is():
    shelf = Shelf()
    waiting = Waiting(shelf)
    waiting.backlog.append([parts(0, 2 * FRONT)])
    assert not shelf.kept
    waiting.backlog.append([parts(1, FRONT)])
    assert shelf.kept
    assert waiting.take_all() == [parts(0, 2 * FRONT), parts(1, FRONT)]


def test_the_bytes_of_a_batch_may_be_known():
    counted, told = Waiting(None), Waiting(None)
    counted.backlog.append([parts(0), parts(1)])
    told.backlog.append([parts(0), parts(1)], size_of(parts(0)) + size_of(parts(1)))
    assert told.backlog.memory == counted.backlog.memory


def test_many_small_parts_count_for_the_memory_that_they_take():
    with growth() as grown:
        many = [b"stream", *(b"%06d" % number for number in range(100_000))]
        taken = grown()
    waiting = Waiting(None)
    waiting.backlog.append([many])
    assert taken <= waiting.backlog.memory < 2 * taken
    waiting.backlog.append([parts(1, FRONT)])
    assert gaps(waiting.take_all()) == [(1, size_of(parts(1, FRONT)))]


def test_what_must_not_be_dropped_is_when_it_takes_too_much():
    waiting = Waiting(None)
    large = bytes(SPILL_AT)
    count = MOST_MEMORY // SPILL_AT + 20
    for number in range(count):
        waiting.backlog.append([[b"status", b"%d" % number, large]])
        assert waiting.backlog.memory <= MOST_MEMORY + FRONT + 2 * SPILL_AT
    left = waiting.take_all()
    [(gone, size)] = gaps(left)
    assert gone_by(left) == count
    assert size >= gone * SPILL_AT
    numbers = [int(item[1]) for item in left if isinstance(item, list)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("store", [None, Shelf(room=0)], ids=["no store", "a full store"])
def test_each_message_is_looked_at_once_however_often_the_store_fails(store):
    looked = 0

    def count(message: list[bytes]) -> bool:
        nonlocal looked
        looked += 1
        return False

    backlog = Backlog(store, count, lambda *_: None, lambda _: None)
    for number in range(100):
        backlog.append([parts(number, SPILL_AT, b"status")])
    assert looked <= 100


def test_actions_without_end_do_not_all_wait():
    waiting = Waiting(Shelf())
    seen: list[object] = []
    waiting.backlog.append([parts(0)])
    for number in range(MOST_TURNS + 2):
        waiting.backlog.then(partial(seen.append, number))
    assert seen == [0, 1]
    waiting.take_all()
    assert seen == list(range(MOST_TURNS + 2))


def test_nobody_waits_for_what_was_cleared():
    waiting = Waiting(Shelf())
    seen: list[object] = []
    waiting.backlog.append([parts(0)])
    waiting.backlog.then(lambda: seen.append("behind what was cleared"))
    waiting.backlog.clear()
    waiting.backlog.append([parts(1)])
    waiting.backlog.then(lambda: seen.append("new"))
    assert waiting.backlog.pop() == []
    assert seen == ["behind what was cleared"]
    assert waiting.take_all() == [parts(1)]
    assert seen == ["behind what was cleared", "new"]


HAPPENINGS = st.one_of(
    st.tuples(
        st.just("append"),
        st.lists(
            st.tuples(st.sampled_from([b"stream", b"status"]), st.sampled_from([1, LARGE])),
            max_size=6,
        ),
    ),
    st.tuples(st.sampled_from(["take_one", "full", "room", "fill", "then"])),
)


class Course(Waiting):
    """What happens to a backlog, each method one thing; and what came before each action."""

    def __init__(self, store: Shelf | None) -> None:
        super().__init__(store)
        self.store = store
        self.sent: list[list[bytes]] = []
        self.acted: list[tuple[int, int]] = []

    def append(self, kinds: list[tuple[bytes, int]]) -> None:
        first = len(self.sent)
        messages = [parts(first + n, size, kind) for n, (kind, size) in enumerate(kinds)]
        self.backlog.append(messages)
        self.sent += messages

    def fill(self) -> None:
        self.append([(b"stream", FRONT // 2)])

    def take_one(self) -> None:
        if self.backlog:
            self.take()

    def then(self) -> None:
        due = len(self.sent)
        self.backlog.then(lambda: self.acted.append((due, gone_by(self.left))))

    def full(self, is_full: bool = True) -> None:
        if self.store is not None:
            self.store.is_full = is_full

    def room(self) -> None:
        self.full(False)


@given(st.lists(HAPPENINGS, max_size=60), st.booleans())
def test_what_leaves_is_what_came(happened, has_store):
    shelf = Shelf() if has_store else None
    course = Course(shelf)
    for what, *given_to in happened:
        getattr(course, what)(*given_to)
        owed = sum(size_of(one) + MESSAGE_COST for one in course.sent if not may_go(one))
        assert course.backlog.memory <= FRONT + 2 * SPILL_AT + FRONT // 2 + LARGE * 6 + owed
    rest = iter(course.sent)
    for item in course.take_all():
        if isinstance(item, list):
            assert item == next(rest)
        else:
            gone = list(itertools.islice(rest, item[0]))
            assert all(map(may_go, gone))
            assert sum(map(size_of, gone)) == item[1]
    assert next(rest, None) is None
    assert course.backlog.memory == 0
    assert shelf is None or not shelf.kept
    assert len(course.acted) == sum(what == "then" for what, *_ in happened)
    # A batch or a gap that began before it may be larger.
    late = max([BATCH, *(messages for messages, _ in gaps(course.left))])
    assert all(due <= after < due + late for due, after in course.acted)

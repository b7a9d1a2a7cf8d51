"""What waits between receiving and working, with a plain list as the oracle.

Invariants of the property test: whatever is appended and taken, with a store that fails at times,
what leaves is what came, in order; only what may go is missing, its messages and bytes are named
exactly once, in its place; memory is bounded unless nothing in it may go; no token is left.
"""

import errno
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.backlog import BATCH, CHUNK, FRONT, MESSAGE_COST, Backlog

LARGE = CHUNK // 2


class Shelf:
    """A store that fails when it is told to."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}
        self.is_full = False
        self.has_lost = False
        self._tokens = itertools.count()

    def write(self, data: bytes) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "full")
        token = next(self._tokens)
        self.kept[token] = data
        return token

    def read(self, token: int) -> bytes:
        if self.has_lost:
            raise OSError(errno.EIO, "lost")
        return self.kept[token]

    def free(self, token: int) -> None:
        del self.kept[token]


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


def test_an_empty_one_has_nothing():
    assert not Waiting(None).backlog


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
        assert waiting.backlog.memory <= FRONT + CHUNK + LARGE + MESSAGE_COST
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
    waiting.backlog.append([parts(0, FRONT - 1000)])
    busy, idle = parts(1, kind=b"status"), parts(9, kind=b"status")
    gone = [parts(n, LARGE) for n in range(2, 9)]
    for message in (busy, *gone, idle):
        waiting.backlog.append([message])
    assert waiting.backlog.memory <= FRONT + CHUNK + LARGE
    found = waiting.take_all()
    assert found[1] == busy
    assert found[-1] == idle
    [gap] = [item for item in found if isinstance(item, tuple)]
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
    lost = [item for item in found if isinstance(item, tuple)]
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


HAPPENINGS = st.one_of(
    st.tuples(
        st.just("append"),
        st.lists(
            st.tuples(st.sampled_from([b"stream", b"status"]), st.sampled_from([1, LARGE])),
            max_size=6,
        ),
    ),
    st.tuples(st.sampled_from(["take", "full", "room", "fill"]), st.none()),
)


@given(st.lists(HAPPENINGS, max_size=60), st.booleans())
def test_what_leaves_is_what_came(happened, has_store):
    shelf = Shelf() if has_store else None
    waiting, sent, numbers = Waiting(shelf), [], itertools.count()

    def append(messages: list[list[bytes]]) -> None:
        waiting.backlog.append(messages)
        sent.extend(messages)

    for what, kinds in happened:
        if what == "append":
            append([parts(next(numbers), size, kind) for kind, size in kinds])
        elif what == "fill":
            append([parts(next(numbers), FRONT // 2)])
        elif what == "take":
            if waiting.backlog:
                waiting.take()
        elif shelf is not None:
            shelf.is_full = what == "full"
        owed = sum(size_of(message) + MESSAGE_COST for message in sent if not may_go(message))
        assert waiting.backlog.memory <= FRONT + 2 * CHUNK + FRONT // 2 + LARGE * 6 + owed
    waiting.take_all()
    rest = iter(sent)
    for item in waiting.left:
        if isinstance(item, list):
            assert item == next(rest)
        else:
            gone = list(itertools.islice(rest, item[0]))
            assert all(map(may_go, gone))
            assert sum(map(size_of, gone)) == item[1]
    assert next(rest, None) is None
    assert waiting.backlog.memory == 0
    assert shelf is None or not shelf.kept

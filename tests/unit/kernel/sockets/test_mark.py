"""How many messages libzmq may hold for w2z on iopub."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.sockets.mark import LEAST_MARK, MOST_BYTES, ReceiveMark
from w2z.kernel.sockets.options import IOPUB_MARK

MIB = 2**20


def test_small_messages_change_nothing():
    mark = ReceiveMark()
    assert [mark.after(128, 128 * 500) for _ in range(10)] == [None] * 10
    assert mark.mark == IOPUB_MARK


def test_large_messages_lower_it_at_once():
    mark = ReceiveMark()
    assert mark.after(1, MIB) == MOST_BYTES // MIB
    assert mark.after(1, MIB) is None
    assert mark.after(1, 50 * MIB) is None, "it is the least already"
    assert mark.mark == LEAST_MARK


def test_it_is_as_before_some_batches_after_the_last_large_message():
    mark = ReceiveMark()
    mark.after(1, 10 * MIB)
    changes = [mark.after(10, 5000) for _ in range(150)]
    assert changes[0] is None, "the next one may be large again"
    assert mark.mark == IOPUB_MARK
    told = [change for change in changes if change is not None]
    assert told == sorted(told)
    assert len(told) < 20


@given(st.lists(st.tuples(st.integers(1, 128), st.integers(0, 2**28)), max_size=50))
def test_it_stays_within_its_bounds_and_tells_each_change(batches: list[tuple[int, int]]):
    mark, told = ReceiveMark(), IOPUB_MARK
    for count, size in batches:
        told = mark.after(count, size) or told
        assert told == mark.mark
        assert LEAST_MARK <= mark.mark <= IOPUB_MARK
        wanted = min(IOPUB_MARK, max(LEAST_MARK, MOST_BYTES * count / max(size, 1)))
        assert mark.mark <= 2 * wanted

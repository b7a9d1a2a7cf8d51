"""A client's messages keep their order on their way to the kernel, whatever it takes when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.server.upstream import Upstream


class Kernel:
    """Takes ``room`` messages, then no more; some it does not take at all."""

    def __init__(self, room: int = 0) -> None:
        self.room = room
        self.heard: list[str] = []

    def take(self, message: str) -> bool:
        if message == "bad":
            raise ValueError(message)
        if not self.room:
            return False
        self.room -= 1
        self.heard.append(message)
        return True


def test_what_the_kernel_takes_does_not_wait():
    kernel = Kernel(2)
    upstream = Upstream(kernel.take)
    upstream.add("a", 10)
    upstream.add("b", 20)
    assert kernel.heard == ["a", "b"]
    assert upstream.waiting == 0


def test_what_comes_behind_a_refused_message_waits_for_its_turn():
    kernel = Kernel()
    upstream = Upstream(kernel.take)
    upstream.add("a", 10)
    kernel.room = 2
    upstream.add("b", 20)
    upstream.add("c", 30)
    assert kernel.heard == []
    assert upstream.waiting == 60
    upstream.retry()
    assert kernel.heard == ["a", "b"]
    assert upstream.waiting == 30


def test_a_fault_raises_at_once_and_leaves_nothing():
    upstream = Upstream(Kernel(1).take)
    with pytest.raises(ValueError, match="bad"):
        upstream.add("bad", 10)
    assert upstream.waiting == 0


def test_a_fault_that_had_to_wait_takes_what_is_behind_it_along():
    kernel = Kernel()
    upstream = Upstream(kernel.take)
    for message in ("a", "bad", "b"):
        upstream.add(message, 10)
    kernel.room = 9
    with pytest.raises(ValueError, match="bad"):
        upstream.retry()
    assert kernel.heard == ["a"]
    assert upstream.waiting == 0
    upstream.retry()
    assert kernel.heard == ["a"]


@given(st.lists(st.integers(-3, 3)))
def test_all_arrives_once_and_in_order_and_what_waits_is_counted(steps: list[int]):
    """A negative step is so many messages of that many bytes, another is room for so many."""
    kernel = Kernel()
    upstream = Upstream(kernel.take)
    names: Iterator[str] = map(str, range(1000))
    said: list[tuple[str, int]] = []
    for step in steps:
        for _ in range(-step):
            said.append((next(names), -step))
            upstream.add(*said[-1])
        if step >= 0:
            kernel.room += step
            upstream.retry()
        assert kernel.heard == [name for name, _ in said[: len(kernel.heard)]]
        assert upstream.waiting == sum(size for _, size in said[len(kernel.heard) :])
        assert not (kernel.room and upstream.waiting and step >= 0)

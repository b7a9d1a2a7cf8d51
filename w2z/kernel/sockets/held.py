"""Replies that wait until the output that arrived before them has been received; no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_HELD = 1024
"""Most batches of replies that wait for output; beyond it the oldest waits no longer."""

MAX_HELD_SIZE = 2**25
"""Most bytes of these replies."""


class Held(NamedTuple):
    """A batch of replies, its bytes, and how many messages iopub has to have given before it."""

    turn: int
    size: int
    carry: Callable[[], None]


class HeldReplies:
    """Batches of replies, in the order in which they arrived."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque()
        self._size = 0

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._held)

    def add(self, turn: int, size: int, carry: Callable[[], None]) -> None:
        """Let ``size`` bytes of replies wait until iopub has given ``turn`` messages."""
        self._held.append(Held(turn, size, carry))
        self._size += size

    def due(self, received: int, *, is_emptied: bool) -> Iterator[Held]:
        """Yield the batches that wait no longer. iopub has given ``received`` messages by now, and
        ``is_emptied`` says that it has no more. Beyond the limits the oldest wait no longer either.
        """
        while self._held and (
            is_emptied
            or received >= self._held[0].turn
            or len(self._held) > MAX_HELD
            or self._size > MAX_HELD_SIZE
        ):
            held = self._held.popleft()
            self._size -= held.size
            yield held

"""What was received from a kernel and not yet looked at, when it sends faster than w2z can work.

libzmq's own queue for it has no bound (with one the kernel would drop output, and nobody knew). So
messages are received first, which is cheap, and wait here: a few in memory, the rest in the store.

Invariants: what comes first leaves first, and unchanged. In memory are at most :data:`FRONT` bytes
that leave next and :data:`SPILL_AT` that came last; where the store takes no more, those of them
that may go are dropped, and their number and size leave in their place. Only what may not go is
kept beyond that. What was to come after some of them comes after all of those, soon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

from w2z.store.store import Depot, Store

Parts = list[bytes]
"""One multipart."""

FRONT = 8 * 2**20
"""Bytes that wait in memory before the store is used: some tens of milliseconds' work."""

SPILL_AT = 2**20
"""Bytes moved to the store at once."""

BATCH = 128
"""Messages that leave together, of those that were in the store."""

MESSAGE_COST = 400
"""Bytes that the parts of a message take beside their content."""

MOST_TURNS = 1024
"""Actions that wait at once; with one more the first of them waits no longer."""


class Missing(NamedTuple):
    """So many messages and bytes were dropped here."""

    messages: int
    size: int


class Backlog:
    """Batches of multiparts, in order.

    ``may_go`` tells what a client can do without; ``missing`` is called with what was dropped, or
    lost by the store, when its turn has come; ``report`` is told what the store could not do.
    """

    def __init__(
        self,
        store: Store | None,
        may_go: Callable[[Parts], bool],
        missing: Callable[[int, int], None],
        report: Callable[[OSError], None],
    ) -> None:
        self._depot = Depot(store, report)
        self._may_go = may_go
        self._missing = missing
        self.memory = 0
        """Bytes in memory, about."""
        self._front: deque[tuple[list[Parts], int] | Missing] = deque()
        self._chunks: deque[tuple[int, Missing]] = deque()
        """Of each in the store: its token, and what is missing if it is lost."""
        self._back: list[Parts | Missing] = []
        self._back_size = 0
        self._move_at = SPILL_AT
        self._turns: deque[tuple[int, Callable[[], None]]] = deque()
        """Actions, and how many messages have to have left before."""
        self._came = 0
        self._left = 0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._front or self._chunks or self._back or self._turns)

    def append(self, batch: list[Parts]) -> None:
        """Add what was received last."""
        if not batch:
            return
        self._came += len(batch)
        size = sum(map(len, chain.from_iterable(batch))) + MESSAGE_COST * len(batch)
        self.memory += size
        if not (self._chunks or self._back) and self.memory <= FRONT:
            self._front.append((batch, size))
            return
        self._back += batch
        self._back_size += size
        if self._back_size >= self._move_at:
            self._move()

    def then(self, action: Callable[[], None]) -> None:
        """Call ``action`` when what waits now has left: in a :meth:`pop` of its own."""
        self._turns.append((self._came, action))
        if len(self._turns) > MOST_TURNS:
            self._turns.popleft()[1]()

    def pop(self) -> list[Parts]:
        """What has waited longest; nothing where that was dropped, or is an action."""
        if self._turns and self._turns[0][0] <= self._left:
            self._turns.popleft()[1]()
            return []
        if not self._front:
            self._load()
        item = self._front.popleft()
        if isinstance(item, Missing):
            self._left += item.messages
            self._missing(*item)
            return []
        batch, size = item
        self._left += len(batch)
        self.memory -= size
        return batch

    def clear(self) -> Missing:
        """Nobody wants it any more; returns what is missing by that."""
        size = sum(lost.size for _, lost in self._chunks) + _size_of(self._back)
        for item in self._front:
            size += item.size if isinstance(item, Missing) else item[1]
        lost = Missing(self._came - self._left, size)
        while self._chunks:
            self._depot.free(self._chunks.popleft()[0])
        self._front.clear()
        self._set_back([])
        self._turns.clear()
        self._left = self._came
        self.memory = 0
        return lost

    def _load(self) -> None:
        """Have in memory what leaves next."""
        if self._chunks:
            self._to_front(self._read(*self._chunks.popleft()))
        else:
            back = self._back
            self._set_back([])
            self._to_front(back)

    def _to_front(self, items: list[Parts | Missing]) -> None:
        """Make batches of the items, which are in order."""
        batch: list[Parts] = []
        for item in items:
            if batch and (isinstance(item, Missing) or len(batch) == BATCH):
                self._front.append((batch, _size_of(batch)))
                batch = []
            if isinstance(item, Missing):
                self._front.append(item)
            else:
                batch.append(item)
        if batch:
            self._front.append((batch, _size_of(batch)))

    def _move(self) -> None:
        """Move what came last to the store, or drop of it what may go."""
        if self._write():
            self.memory -= self._back_size
            self._set_back([])
            return
        kept: list[Parts | Missing] = []
        for item in self._back:
            if isinstance(item, Missing) or self._may_go(item):
                _drop(kept, item)
            else:
                kept.append(item)
        size = self._back_size
        self._set_back(kept)
        self.memory -= size - self._back_size

    def _set_back(self, items: list[Parts | Missing]) -> None:
        self._back = items
        self._back_size = _size_of(items)
        self._move_at = self._back_size + SPILL_AT

    def _write(self) -> bool:
        """Write the back to the store, unless something is missing from it."""
        batch = [item for item in self._back if not isinstance(item, Missing)]
        token = self._depot.put(batch) if len(batch) == len(self._back) else None
        if token is None:
            return False
        lost = Missing(len(batch), self._back_size - MESSAGE_COST * len(batch))
        self._chunks.append((token, lost))
        return True

    def _read(self, token: int, lost: Missing) -> list[Parts | Missing]:
        batch: list[Parts | Missing] | None = self._depot.take(token)
        self._depot.free(token)
        if batch is None:
            return [lost]
        self.memory += _size_of(batch)
        return batch


def _drop(kept: list[Parts | Missing], item: Parts | Missing) -> None:
    """Let the item go; what is missing side by side is missing together."""
    if not isinstance(item, Missing):
        item = Missing(1, _size_of([item]) - MESSAGE_COST)
    if kept and isinstance(last := kept[-1], Missing):
        kept[-1] = Missing(last.messages + item.messages, last.size + item.size)
    else:
        kept.append(item)


def _size_of(items: Sequence[Parts | Missing]) -> int:
    """Bytes of the messages among the items."""
    messages = [item for item in items if not isinstance(item, Missing)]
    return sum(map(len, chain.from_iterable(messages))) + MESSAGE_COST * len(messages)

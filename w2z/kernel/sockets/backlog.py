"""The backlog: messages received from a kernel that sends faster than w2z can carry them.

libzmq's own queue cannot hold them: beyond its mark the kernel would drop output, and nobody would
know. So w2z receives messages first, which is cheap, and keeps them here: a few in memory, the rest
in the store.

Invariants: messages leave in the order they came in, and unchanged. Memory holds at most
:data:`FRONT` bytes that leave next, or one batch, and :data:`SPILL_AT` bytes that came last. Where
the store takes no more, the droppable ones among those that came last are dropped, and their number
and size leave in their place; only messages that must not be dropped exceed the limits, up to
:data:`MOST_MEMORY`. An action queued with :meth:`Backlog.then` runs after every message received
before it, at most a batch later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

from w2z.store.store import Depot, Store

Parts = list[bytes]
"""One message as a ZMQ multipart."""

FRONT = 4 * 2**20
"""Bytes that wait in memory before w2z uses the store: some tens of milliseconds' work."""

SPILL_AT = 2**20
"""Bytes that are spilled at once."""

BATCH = 128
"""Most messages in a batch that is made anew of messages from the store or the back."""

MESSAGE_COST = 400
"""Bytes of memory that the parts of a message take beside their content."""

USUAL_PARTS = 7
"""Parts of nearly every message, whose cost :data:`MESSAGE_COST` includes."""

PART_COST = 60
"""Bytes of memory that each further part takes beside its content."""

MOST_MEMORY = 2**28
"""Bytes that messages in memory may take which must not be dropped. What comes beyond is dropped,
whatever it is: else a kernel that sends nothing else would take all memory.
"""

MOST_TURNS = 1024
"""Most queued actions; beyond it the oldest runs early, out of order."""

TURNS_SIZE = 2**25
"""Most bytes that queued actions may keep; beyond it the oldest runs early, too."""


class Missing(NamedTuple):
    """The number and bytes of the messages that were dropped here, or lost by the store."""

    messages: int
    size: int


class Backlog:
    """Batches of messages, in the order in which they were received.

    ``may_go`` says whether a message is droppable. ``missing`` is called with the number and bytes
    of messages that were dropped, or lost by the store, when their turn comes. ``report`` is called
    with the error of a store that failed.
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
        """The bytes that the backlog takes in memory, estimated."""
        # In the order in which messages leave: the front in memory, the chunks in the store, the
        # back in memory.
        self._front: deque[tuple[list[Parts], int] | Missing] = deque()
        self._chunks: deque[tuple[int, Missing]] = deque()
        """For each spilled chunk: its token, and the counts to report if the store loses it."""
        self._back: list[Parts | Missing] = []
        self._back_size = 0
        self._move_at = SPILL_AT
        self._judged = 0
        """How many of the back were looked at when the store failed, and stay."""
        self._is_gapped = False
        """Whether a message is missing from the back."""
        self._turns: deque[tuple[int, Callable[[], None], int]] = deque()
        """For each queued action: how many messages have to leave before it, the action, and the
        bytes that it keeps.
        """
        self._turns_size = 0
        self._came = 0
        self._left = 0

    def __bool__(self) -> bool:
        """Whether a message or an action waits."""
        return bool(self._front or self._chunks or self._back or self._turns)

    def append(self, batch: list[Parts], content: int | None = None) -> None:
        """Add a batch that was just received; ``content`` is the bytes of its parts, if known."""
        if not batch:
            return
        self._came += len(batch)
        if content is None:
            content = sum(map(len, chain.from_iterable(batch)))
        size = content + _cost_of(batch)
        self.memory += size
        # A batch that leaves next stays in memory however large it is.
        is_next = len(batch) <= BATCH and not (self._front or self._chunks or self._back)
        if is_next or (not (self._chunks or self._back) and self.memory <= FRONT):
            self._front.append((batch, size))
            return
        self._back += batch
        self._back_size += size
        if self._back_size >= self._move_at:
            self._move()

    def then(self, action: Callable[[], None], size: int = 0) -> None:
        """Queue ``action``, which keeps ``size`` bytes: a :meth:`pop` of its own calls it when all
        messages here now have left.

        With more than :data:`MOST_TURNS` queued, or :data:`TURNS_SIZE` bytes, the oldest is called
        at once.
        """
        self._turns.append((self._came, action, size))
        self._turns_size += size
        while len(self._turns) > MOST_TURNS or self._turns_size > TURNS_SIZE:
            self._next_turn()

    def pop(self) -> list[Parts]:
        """Return the batch that has waited longest, or an empty list where messages are missing or
        an action was called instead. Call it only while something waits.
        """
        if self._turns and self._turns[0][0] <= self._left:
            self._next_turn()
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
        """Drop all messages; return their number and bytes. The turn of every action has come."""
        size = sum(lost.size for _, lost in self._chunks) + _size_of(self._back)
        for item in self._front:
            size += item.size if isinstance(item, Missing) else item[1]
        lost = Missing(self._came - self._left, size)
        while self._chunks:
            self._depot.free(self._chunks.popleft()[0])
        self._front.clear()
        self._set_back([])
        self._left = self._came
        self.memory = 0
        return lost

    def _next_turn(self) -> None:
        _, action, size = self._turns.popleft()
        self._turns_size -= size
        action()

    def _load(self) -> None:
        """Fill the empty front with the messages that leave next."""
        if self._chunks:
            self._to_front(self._read(*self._chunks.popleft()))
        else:
            back = self._back
            self._set_back([])
            self._to_front(back)

    def _to_front(self, items: list[Parts | Missing]) -> None:
        """Append the items to the front, in order, their messages as batches."""
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
        """Spill the messages that came last; if the store fails, drop the droppable among them.

        Each is looked at once, however often the store fails.
        """
        if not self._is_gapped:
            self._write()
        # No gap is among them: each is made below.
        came = [item for item in self._back[self._judged :] if not isinstance(item, Missing)]
        del self._back[self._judged :]
        for item in came:
            cost = _size_of([item])
            too_much = self.memory > MOST_MEMORY
            if too_much or self._may_go(item):
                _drop(self._back, item)
                self._is_gapped = True
                self._back_size -= cost
                self.memory -= cost
            else:
                self._back.append(item)
        self._judged = len(self._back)
        self._move_at = self._back_size + SPILL_AT

    def _set_back(self, items: list[Parts | Missing]) -> None:
        self._back = items
        self._back_size = _size_of(items)
        self._move_at = self._back_size + SPILL_AT
        self._judged = 0
        self._is_gapped = False

    def _write(self) -> None:
        """Write the back to the store, piece by piece, up to one that the store does not take.
        Call it only where no message is missing from the back.
        """
        piece: list[Parts] = []
        written = moved = size = 0
        # Nearly always the back is one piece: then its size is known.
        is_one = self._back_size < 2 * SPILL_AT
        for number, item in enumerate(self._back, 1):
            assert not isinstance(item, Missing)  # noqa: S101 (for mypy; the caller sees to it)
            piece.append(item)
            if not is_one:
                size += _size_of([item])
            elif number == len(self._back):
                size = self._back_size
            if size < SPILL_AT and number < len(self._back):
                continue
            token = self._depot.put(piece)
            if token is None:
                break
            self._chunks.append((token, Missing(len(piece), size - _cost_of(piece))))
            written, moved = number, moved + size
            piece, size = [], 0
        del self._back[:written]
        self._judged = max(0, self._judged - written)
        self._back_size -= moved
        self.memory -= moved

    def _read(self, token: int, lost: Missing) -> list[Parts | Missing]:
        batch: list[Parts | Missing] | None = self._depot.take(token)
        self._depot.free(token)
        if batch is None:
            return [lost]
        self.memory += _size_of(batch)
        return batch


def _drop(kept: list[Parts | Missing], message: Parts) -> None:
    """Append the message to ``kept`` as missing, merged with a missing one right before it."""
    item = Missing(1, sum(map(len, message)))
    if kept and isinstance(last := kept[-1], Missing):
        kept[-1] = Missing(last.messages + item.messages, last.size + item.size)
    else:
        kept.append(item)


def _size_of(items: Sequence[Parts | Missing]) -> int:
    """Bytes of memory that the messages among the items take."""
    messages = [item for item in items if not isinstance(item, Missing)]
    return sum(map(len, chain.from_iterable(messages))) + _cost_of(messages)


def _cost_of(messages: Sequence[Parts]) -> int:
    """Bytes of memory that the messages take beside their content."""
    parts = sum(map(len, messages))
    return MESSAGE_COST * len(messages) + PART_COST * max(0, parts - USUAL_PARTS * len(messages))

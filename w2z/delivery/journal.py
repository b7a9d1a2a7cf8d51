"""The log of batches for clients; each session reads it from a position of its own.

Invariants:

- The unit is a *batch*: addressed to one session or to all, and never changed. Positions number
  the batches without gaps; :attr:`Journal.end` is the position of the next one.
- Every batch from :attr:`Journal.start` on can be read, in order; older batches cannot. The oldest
  of them may be in the store, the newer ones are in memory.
- :attr:`Journal.memory` counts the bytes in memory, :attr:`Journal.spilled` those in the store;
  each batch is in exactly one of the two.

The store is passed in (:class:`~w2z.store.store.Store`), and may fail at any time. Batches that it
cannot take stay in memory; in the place of batches that it cannot give back a session reads a gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from w2z.delivery.overflow import ITEM_COST, Gap, Item
from w2z.message import Channel, Message, size_of
from w2z.store.store import Depot, Store

SPILL_BATCH_SIZE = 256 * 1024
"""Bytes moved to the store at once: few enough not to hold up the kernel's output meanwhile."""

LONG_LOAD = 2**22
"""Bytes of a chunk that takes so long to be given back by the store that it is kept for others."""


class Batch(NamedTuple):
    """Messages to deliver together; ``addressee`` is a session_id, or ``None`` for all."""

    addressee: str | None
    messages: Sequence[Message]
    size: int
    offset: int
    """Bytes of all batches before this one, since the beginning of the journal."""
    once: bool = False
    """Whether a session that was sent this batch passes over it when it reads again."""

    def is_for(self, session_id: str) -> bool:
        """Whether the session reads this batch or passes over it."""
        return self.addressee is None or self.addressee == session_id

    def read_by(self, session_id: str, *, again: bool) -> Sequence[Message]:
        """Return the messages that the session reads of this batch.

        ``again`` says that the session was sent the batch before.
        """
        return () if (self.once and again) or not self.is_for(session_id) else self.messages


class Chunk(NamedTuple):
    """Consecutive batches in the store: positions ``start`` up to, but without, ``end``."""

    start: int
    end: int
    size: int
    offset: int
    messages: int
    token: int

    @property
    def gap(self) -> Gap:
        """The gap that sessions read when the store has lost the chunk."""
        return Gap(self.messages, self.size - ITEM_COST * self.messages, b"{}")


class Journal:
    """The log: the newest batches in memory, the oldest perhaps in the store.

    ``tail`` is how many bytes in memory are kept for newcomers although no session needs them.
    ``report`` is called with each error of the store.
    """

    def __init__(
        self,
        store: Store | None = None,
        tail: int = 0,
        report: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self.end = 0
        self.memory = 0
        self.spilled = 0
        self._depot = Depot(store, report)
        self.tail = tail
        self.total = 0
        """Bytes of all batches that were ever appended."""
        self._chunks: list[Chunk] = []
        self._loaded: tuple[int, list[Batch]] | None = None
        """The long chunk that was read last: its token, and what is in it."""
        self._kept: deque[Batch] = deque()

    @property
    def start(self) -> int:
        """The position of the oldest batch; :attr:`end` when there is none."""
        return self._chunks[0].start if self._chunks else self.kept_start

    @property
    def kept_start(self) -> int:
        """The position of the oldest batch in memory; :attr:`end` when there is none."""
        return self.end - len(self._kept)

    def append(
        self, addressee: str | None, messages: Sequence[Message], *, once: bool = False
    ) -> int:
        """Add a batch at position :attr:`end`. Returns its bytes."""
        size = size_of(messages) + ITEM_COST * len(messages)
        self._kept.append(Batch(addressee, messages, size, self.total, once))
        self.total += size
        self.memory += size
        self.end += 1
        return size

    def read(
        self, position: int, session_id: str, handed: int = 0
    ) -> tuple[list[tuple[int, Sequence[Item]]], int]:
        """Return what the session reads at ``position``, and the position at which to read on.

        Reads one batch from memory, or the rest of a chunk from the store; if the store lost the
        chunk, a gap. Each batch for the session comes with its position; the list is empty where
        none is. The session was sent everything before ``handed`` once already.
        """
        if position >= self.kept_start:
            batches, end = [self._kept[position - self.kept_start]], position + 1
        else:
            chunk = self._chunk_at(position)
            loaded, end = self._load(chunk), chunk.end
            if loaded is None:
                return [(position, [chunk.gap])], end
            if chunk.size >= LONG_LOAD:
                self._loaded = chunk.token, loaded
            batches = loaded[position - chunk.start :]
        found = [
            (place, batch.read_by(session_id, again=place < handed))
            for place, batch in enumerate(batches, position)
        ]
        return [(place, messages) for place, messages in found if messages], end

    def let_go(self) -> None:
        """Forget what is in the long chunk that was read last; until then others read it fast."""
        self._loaded = None

    def oldest(self) -> list[tuple[int, Batch | Gap]]:
        """Return the oldest batches, which can only be forgotten together, with their positions.

        That is one batch in memory, or a chunk in the store. A chunk that the store lost is one
        gap, with the position of the chunk's last batch.
        """
        if not self._chunks:
            return [(self.kept_start, self._kept[0])]
        chunk = self._chunks[0]
        batches = self._load(chunk)
        if batches is None:
            return [(chunk.end - 1, chunk.gap)]
        return [*zip(range(chunk.start, chunk.end), batches, strict=True)]

    def spill(self) -> bool:
        """Move the oldest batches in memory to the store.

        Moves about :data:`SPILL_BATCH_SIZE`. Returns ``False`` when nothing was moved, because
        memory has no batch or the store takes none.
        """
        if not self._kept:
            return False
        moved: list[Batch] = []
        size = 0
        for batch in self._kept:
            moved.append(batch)
            size += batch.size
            if size >= SPILL_BATCH_SIZE:
                break
        token = self._depot.put([_plain(batch) for batch in moved])
        if token is None:
            return False
        start = self.kept_start
        count = sum(len(batch.messages) for batch in moved)
        self._chunks.append(Chunk(start, start + len(moved), size, moved[0].offset, count, token))
        for _ in moved:
            self._kept.popleft()
        self.memory -= size
        self.spilled += size
        return True

    def trim(self, position: int, *, keep_tail: bool = True) -> None:
        """Forget every batch before ``position``, except chunks that end later and the tail."""
        position = min(position, self.end)
        while self._chunks and self._chunks[0].end <= position:
            chunk = self._chunks.pop(0)
            self.spilled -= chunk.size
            self._depot.free(chunk.token)
            if self._loaded is not None and self._loaded[0] == chunk.token:
                self.let_go()
        tail = self.tail if keep_tail else 0
        while self._kept and not self._chunks and self.kept_start < position:
            if self.memory - self._kept[0].size < tail:
                return
            self.memory -= self._kept.popleft().size

    def size_from(self, position: int) -> int:
        """Return the bytes of the batches from ``position`` on; within a chunk, of all of it."""
        if position >= self.end:
            return 0
        if position >= self.kept_start:
            return self.total - self._kept[position - self.kept_start].offset
        return self.total - self._chunk_at(position).offset

    def backwards(self) -> Iterator[tuple[int, Batch]]:
        """Iterate over the batches in memory and their positions, the last one first."""
        position = self.end
        for batch in reversed(self._kept):
            position -= 1
            yield position, batch

    def in_memory(self, position: int) -> Iterator[Batch]:
        """Iterate over the batches from ``position`` on; over none unless all are in memory."""
        skipped = position - self.kept_start
        return islice(self._kept, skipped, None) if skipped >= 0 else iter(())

    def last(self, count: int) -> tuple[int, int]:
        """Find the last ``count`` messages to all, of those in memory.

        Returns the position of the batch in which they begin, and how many messages of that batch
        come before them. With fewer messages in memory it finds all of them.
        """
        start = self.end
        if count <= 0:
            return start, 0
        for position, batch in self.backwards():
            if batch.addressee is None:
                start = position
                count -= len(batch.messages)
                if count <= 0:
                    return start, -count
        return start, 0

    def _chunk_at(self, position: int) -> Chunk:
        return self._chunks[bisect_right(self._chunks, position, key=_start) - 1]

    def _load(self, chunk: Chunk) -> list[Batch] | None:
        if self._loaded is not None and self._loaded[0] == chunk.token:
            return self._loaded[1]
        found = self._depot.take(chunk.token)
        return None if found is None else [_batch(*plain) for plain in found]


def _start(chunk: Chunk) -> int:
    return chunk.start


def _plain(batch: Batch) -> tuple[object, ...]:
    """Convert the batch to types that a depot takes; :func:`_batch` converts it back."""
    messages = [
        (message.channel.value, *message[1:5], tuple(map(bytes, message.buffers)))
        for message in batch.messages
    ]
    return (batch.addressee, messages, *batch[2:])


def _batch(addressee: str | None, messages: list[tuple[Any, ...]], *rest: Any) -> Batch:
    found = [Message(Channel(channel), *parts) for channel, *parts in messages]
    return Batch(addressee, found, *rest)

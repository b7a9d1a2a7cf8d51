"""One log of what the kernel sent, and each session's place in it.

Live delivery, a client that reads slowly and one that comes back are one operation: read from a
position. A batch (what one drain of a socket brought) is the unit: numbered, addressed to one
session or to all, kept only while some session still has to read it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from w2z.message import Message, size_of

MESSAGE_COST = 400
"""Bytes a kept message takes beside its content, as measured: objects, not data."""


class Batch(NamedTuple):
    """Messages that arrived together; ``addressee`` is a session_id, or ``None`` for all."""

    addressee: str | None
    messages: Sequence[Message]
    size: int

    def is_for(self, session_id: str) -> bool:
        """Whether the session reads this batch or passes over it."""
        return self.addressee is None or self.addressee == session_id


class Journal:
    """The log. Positions are batch numbers; :attr:`end` is where the next batch will go."""

    def __init__(self) -> None:
        self.end = 0
        self.size = 0
        self._kept: deque[Batch] = deque()

    @property
    def start(self) -> int:
        """The position of the oldest batch kept; :attr:`end` when none is."""
        return self.end - len(self._kept)

    def append(self, addressee: str | None, messages: Sequence[Message]) -> None:
        """Keep a batch that some session has to read later."""
        size = size_of(messages) + MESSAGE_COST * len(messages)
        batch = Batch(addressee, messages, size)
        self._kept.append(batch)
        self.size += batch.size
        self.end += 1

    def at(self, position: int) -> Batch:
        """The batch at ``position``, which has to be kept."""
        return self._kept[position - self.start]

    def trim(self, position: int) -> None:
        """Forget every batch before ``position``: all sessions have read it."""
        while self.start < min(position, self.end):
            self.size -= self._kept.popleft().size

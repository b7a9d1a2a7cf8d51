"""What is kept for all sessions together, and what goes when that is too much.

Bytes in memory are those of the journal that are not in the store, and what remains in sessions of
batches they were moved past. Whenever they are over the limit, room is made in this order, and no
further than needed:

1. Batches that no session needs go, the tail for newcomers last.
2. The oldest batches move to the store.
3. The store takes no more: the slowest session is moved past the oldest batches. What may be
   dropped of them becomes a gap, the rest remains with the session.
4. No batch is left in memory: the session with most remains is given up.

Between two such looks memory grows by :data:`TRIM_EVERY` bytes at most beyond what it was after the
first, and stays below the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from w2z.delivery.journal import Journal
from w2z.delivery.overflow import Gap
from w2z.delivery.session import ClientT, Session

TRIM_EVERY = 2**18
"""Bytes of growth after which the journal is looked through for what nobody needs."""


@dataclass(frozen=True)
class Load:
    """What is kept just now, in bytes."""

    memory: int
    spilled: int


class Memory(Generic[ClientT]):
    """Keeps the ``journal`` and the remains of ``sessions`` below ``limit`` bytes.

    ``sessions`` is the hub's own: a session that is given up is removed from it.
    """

    def __init__(self, limit: int, journal: Journal, sessions: dict[str, Session[ClientT]]) -> None:
        self._limit = limit
        self._journal = journal
        self._sessions = sessions
        self._look_at = min(TRIM_EVERY, limit)

    @property
    def load(self) -> Load:
        """What is kept just now."""
        return Load(self._memory, self._journal.spilled)

    def queued(self, session: Session[ClientT]) -> int:
        """Bytes kept for the session, others perhaps sharing them."""
        return session.remains.size + self._journal.size_from(session.needs(self._journal.end))

    def arrive(self, session: Session[ClientT], position: int) -> None:
        """Note that all before ``position`` has arrived, and forget what nobody needs now."""
        held = session.needs(self._journal.end)
        session.acked = position
        session.remains.forget_before(position)
        too_much = self._journal.memory > self._journal.tail + TRIM_EVERY
        if self._journal.spilled or (too_much and held <= self._journal.start):
            self.trim()

    def trim(self, *, keep_tail: bool = True) -> None:
        """Forget what no session needs any more."""
        end = self._journal.end
        needed = min((s.needs(end) for s in self._sessions.values()), default=end)
        self._journal.trim(needed, keep_tail=keep_tail)
        self._look_again()

    def make_room(self) -> list[Session[ClientT]]:
        """Keep to the limit after the journal grew; returns the sessions given up for it."""
        if self._journal.memory <= self._look_at:
            return []
        lost: list[Session[ClientT]] = []
        self.trim()
        if self._memory > self._limit:
            self.trim(keep_tail=False)
        while self._memory > self._limit:
            if not self._journal.memory:
                lost.append(max(self._sessions.values(), key=lambda s: s.remains.size))
                del self._sessions[lost[-1].session_id]
                self.trim()
            elif not self._journal.spill():
                end = self._journal.end
                self._move_on(min(self._sessions.values(), key=lambda s: s.needs(end)))
        self._look_again()
        return lost

    def _move_on(self, slowest: Session[ClientT]) -> None:
        """Move the session past the oldest batches; what it keeps of them remains."""
        end = self._journal.end
        start, sent = slowest.needs(end), slowest.position(end)
        for position, batch in self._journal.oldest():
            slowest.floor = position + 1
            if isinstance(batch, Gap):
                slowest.remains.add(position, batch, sent)
            elif position >= start:
                again = position < max(slowest.handed, sent)
                messages = batch.read_by(slowest.session_id, again=again)
                for message in messages[slowest.skipped_at(position) :]:
                    slowest.remains.add(position, message, sent)
        self.trim(keep_tail=False)

    def _look_again(self) -> None:
        self._look_at = min(self._journal.memory + TRIM_EVERY, self._limit - self._remains)

    @property
    def _memory(self) -> int:
        return self._journal.memory + self._remains

    @property
    def _remains(self) -> int:
        return sum(session.remains.size for session in self._sessions.values())

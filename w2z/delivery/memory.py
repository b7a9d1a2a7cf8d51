"""The memory limit for all sessions together, and how it is kept.

Bytes in memory are the journal's that are not in the store, and the sessions' remains: what a
session keeps of batches that it was moved past. When they exceed the limit, room is made in this
order, and no further than needed:

1. Forget batches that no session needs, the tail for newcomers last.
2. Move the oldest batches to the store. What only sessions without a client need goes there in
   any case, except the newest.
3. If the store takes no more: move the slowest session past the oldest batches. Their droppable
   messages become a gap, the others remain with the session.
4. If no batch is left in memory: give up the session with the most remains.

The memory is checked again when the journal has grown by :data:`TRIM_EVERY` bytes, or before that
when the limit is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from w2z.delivery.journal import Journal
from w2z.delivery.overflow import Gap
from w2z.delivery.session import ClientT, Session

KEPT_FOR_ABSENT = 2**20
"""Bytes that are kept in memory, besides the tail for newcomers, for sessions without a client."""

SPILL_STEP = 2**21
"""Bytes that are moved to the store for them at once: a few milliseconds' worth."""

TRIM_EVERY = 2**18
"""Bytes of growth after which batches that no session needs are looked for."""


@dataclass(frozen=True)
class Load:
    """The bytes kept now: in memory, and in the store."""

    memory: int
    spilled: int


class Memory(Generic[ClientT]):
    """Keeps the ``journal`` and the remains of ``sessions`` below ``limit`` bytes.

    ``sessions`` is the hub's own dictionary: a session that is given up is removed from it.
    """

    def __init__(self, limit: int, journal: Journal, sessions: dict[str, Session[ClientT]]) -> None:
        self._limit = limit
        self._journal = journal
        self._sessions = sessions
        self._look_at = min(TRIM_EVERY, limit)

    @property
    def load(self) -> Load:
        """The bytes kept now."""
        return Load(self._memory, self._journal.spilled)

    def queued(self, session: Session[ClientT]) -> int:
        """Return the bytes kept for the session; other sessions may share them."""
        return session.remains.size + self._journal.size_from(session.needs(self._journal.end))

    def arrive(self, session: Session[ClientT], position: int) -> None:
        """Note that the session received all before ``position``.

        Forgets batches that no session needs any more.
        """
        held = session.needs(self._journal.end)
        session.acked = position
        session.remains.forget_before(position)
        # Trimming looks at every session, so it is done only where it may free much.
        too_much = self._journal.memory > self._journal.tail + TRIM_EVERY
        if self._journal.spilled or (too_much and held <= self._journal.start):
            self.trim()
        left = self._journal.tail + KEPT_FOR_ABSENT
        if self._journal.memory > left + TRIM_EVERY:
            self._spill_for_absent(left, SPILL_STEP)

    def trim(self, *, keep_tail: bool = True) -> None:
        """Forget the batches that no session needs any more, except the tail."""
        end = self._journal.end
        needed = min((s.needs(end) for s in self._sessions.values()), default=end)
        self._journal.trim(needed, keep_tail=keep_tail)
        self._look_again()

    def make_room(self) -> list[Session[ClientT]]:
        """Keep to the limit after the journal grew. Returns the sessions given up for that."""
        if self._journal.memory <= self._look_at:
            return []
        lost: list[Session[ClientT]] = []
        self.trim()
        self._spill_for_absent(self._journal.tail + KEPT_FOR_ABSENT, SPILL_STEP)
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

    def spill_for_absent(self, most: int) -> bool:
        """Move about ``most`` bytes to the store that only sessions without a client need, but not
        the newest. Returns whether there may be more.
        """
        self.trim()
        return self._spill_for_absent(self._journal.tail, most)

    def _spill_for_absent(self, left: int, most: int) -> bool:
        """Move what only sessions without a client need, and at most ``most`` bytes of it, until
        ``left`` bytes are in memory. Returns whether there may be more.
        """
        end, journal = self._journal.end, self._journal
        there = away = end
        for session in self._sessions.values():
            if session.client is None:
                away = min(away, session.needs(end))
            else:
                there = min(there, session.needs(end))
        aim = max(left, journal.memory - most)
        while away < there and journal.kept_start < there and journal.memory > aim:
            if not journal.spill():
                return False
        self._look_again()
        return away < there and journal.kept_start < there and journal.memory > left

    def _move_on(self, slowest: Session[ClientT]) -> None:
        """Move the session past the oldest batches; its remains keep what it may still read."""
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

"""One session: its client, its positions in the journal, and what else is kept for it.

Invariants: ``acked <= sent <= end`` of the journal. The client has received everything before
``acked``, or notices in its place. The present client was sent everything before ``sent``; the
next one starts at ``acked``. Below ``floor`` the session reads ``remains`` instead of the journal.
While the session is *flowing*, its position is the journal's end, and ``sent`` is not kept up to
date.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Generic, NamedTuple, TypeVar

from w2z.delivery.overflow import Gap, Item, Remains
from w2z.delivery.pending import Pending
from w2z.delivery.questions import Question
from w2z.delivery.repeats import Forwarded
from w2z.message import Message

ClientT = TypeVar("ClientT")


PART = 16
"""Messages after which a client that catches up is asked whether they have arrived."""

OFFSETS = 2**16
"""Points from one position to the next: more than a batch has messages."""


class Part(NamedTuple):
    """Messages for a client that catches up, and the point behind them.

    A point is a number for the place between two messages: the position of a batch times
    :data:`OFFSETS`, and the number of its messages before the place.
    """

    messages: list[Message]
    point: int


@dataclass(slots=True)
class Counters:
    """What happened to a session, for metrics."""

    resumed: int = 0
    """Connections that resumed the session."""
    resent: int = 0
    """Journal positions that those connections read again."""
    gaps: int = 0
    dropped_messages: int = 0
    dropped_bytes: int = 0
    repeats: int = 0
    """Requests that were not forwarded a second time."""

    def add(self, *others: Counters) -> Counters:
        """Add the counts of other sessions to these, and return these."""
        for other in others:
            for counter in fields(self):
                mine, its = getattr(self, counter.name), getattr(other, counter.name)
                setattr(self, counter.name, mine + its)
        return self


@dataclass(slots=True)
class Session(Generic[ClientT]):
    """The record of one session; :class:`~w2z.delivery.hub.Hub` has the rules."""

    session_id: str
    resumable: bool
    acked: int
    sent: int
    floor: int
    owner: str | None = None
    """The principal whose clients made it; no other's may have it."""
    number: int = 0
    """Which one it is, of all sessions that there were."""
    client: ClientT | None = None
    is_taken: bool = False
    """Whether the client replaced another one."""
    flowing: bool = False
    handed: int = 0
    """Earlier clients of the session were sent everything before this position."""
    skip: tuple[int, int] = (0, 0)
    """A position, and how many messages to pass over there: a replay may begin within a batch, and
    a client may have acknowledged a part of one.
    """
    unread: deque[Part] = field(default_factory=deque)
    """What comes before ``sent`` and was not handed to the client yet."""
    point: int = 0
    """The point behind the part that was handed to the client last."""
    remains: Remains = field(default_factory=Remains)
    question: Question = field(default_factory=Question)
    pending: Pending = field(default_factory=Pending)
    forwarded: Forwarded = field(default_factory=Forwarded)
    counters: Counters = field(default_factory=Counters)
    detached_at: float = 0.0
    expires_at: float = 0.0
    """When the session is to be forgotten, unless a client resumes it."""

    def rewind(self) -> None:
        """Go back to ``acked``: the next client may not have received what comes after."""
        self.counters.resent += self.sent - self.acked
        self.handed = max(self.handed, self.sent)
        self.sent = self.acked
        self.unread.clear()
        self.forwarded.next_connection()
        self.question.next_connection(self.acked)

    @property
    def is_owed_reply(self) -> bool:
        """Whether the kernel has yet to reply to one of its requests."""
        return len(self.pending) > 0

    def needs(self, end: int) -> int:
        """Return the position from which on the session needs the journal."""
        if self.flowing and not self.resumable:
            return end
        return max(self.floor, self.acked)

    def position(self, end: int) -> int:
        """Return the position before which the client was sent all; ``end`` is the journal's."""
        return end if self.flowing else self.sent

    def skipped_at(self, position: int) -> int:
        """Return how many messages at ``position`` the session passes over."""
        return self.skip[1] if position == self.skip[0] else 0

    def parts(
        self, batches: Sequence[tuple[int, Sequence[Item]]], new_header: Callable[[], bytes]
    ) -> list[Part]:
        """Return the messages of batches in parts, without those that the session passes over.

        ``batches`` have their positions. The last part ends at ``sent``.
        """
        parts: list[Part] = []
        part: list[Message] = []
        for place, items in batches:
            is_gap = len(items) > 0 and isinstance(items[0], Gap)
            for number in range(0 if is_gap else self.skipped_at(place), len(items)):
                if len(part) == PART:
                    parts.append(Part(part, place * OFFSETS + number))
                    part = []
                part.append(self.as_message(items[number], new_header))
        return [*parts, Part(part, self.sent * OFFSETS)] if part else parts

    def as_message(self, item: Item, new_header: Callable[[], bytes]) -> Message:
        """Return the message to send for ``item``; for a gap that is a notice, which is counted."""
        if not isinstance(item, Gap):
            return item
        self.counters.gaps += 1
        self.counters.dropped_messages += item.messages
        self.counters.dropped_bytes += item.size
        return item.notice(new_header())

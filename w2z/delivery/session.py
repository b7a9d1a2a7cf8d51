"""One ``session_id``: its client, its place in the journal, and what it is owed besides.

Invariants: ``acked <= sent <= end`` of the journal. Everything before ``acked`` has arrived, or was
said to be missing; everything before ``sent`` was handed to the present client, and a client that
comes back starts at ``acked`` again. Before ``floor`` the journal is no longer asked: what the
session may still get from there is in ``remains``. While the session is *flowing*, ``sent`` is the
journal's end, and not kept up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Generic, TypeVar

from w2z.delivery.overflow import Gap, Item, Remains
from w2z.delivery.pending import Pending
from w2z.delivery.questions import Question
from w2z.delivery.repeats import Forwarded
from w2z.message import Message

ClientT = TypeVar("ClientT")


@dataclass(slots=True)
class Counters:
    """What happened to a session, for metrics."""

    resumed: int = 0
    """Connections that took it up again."""
    resent: int = 0
    """Batches that were handed out again to them."""
    gaps: int = 0
    dropped_messages: int = 0
    dropped_bytes: int = 0
    repeats: int = 0
    """Requests that were not forwarded a second time."""

    def add(self, *others: Counters) -> Counters:
        """Count what happened to other sessions, too."""
        for other in others:
            for counter in fields(self):
                mine, its = getattr(self, counter.name), getattr(other, counter.name)
                setattr(self, counter.name, mine + its)
        return self


@dataclass(slots=True)
class Session(Generic[ClientT]):
    """What is known of one session; the rules are :class:`~w2z.delivery.hub.Hub`'s."""

    session_id: str
    resumable: bool
    acked: int
    sent: int
    floor: int
    client: ClientT | None = None
    flowing: bool = False
    handed: int = 0
    """What clients before the present one had been handed."""
    skip: tuple[int, int] = (0, 0)
    """A position, and messages to pass over there: a newcomer may ask for the end of a batch."""
    remains: Remains = field(default_factory=Remains)
    question: Question = field(default_factory=Question)
    pending: Pending = field(default_factory=Pending)
    forwarded: Forwarded = field(default_factory=Forwarded)
    counters: Counters = field(default_factory=Counters)
    detached_at: float = 0.0

    def rewind(self) -> None:
        """Begin again, for another client, with what is not known to have arrived."""
        self.counters.resent += self.sent - self.acked
        self.handed = max(self.handed, self.sent)
        self.sent = self.acked
        self.forwarded.next_connection()
        self.question.next_connection(self.acked)

    def needs(self, end: int) -> int:
        """From where on the session needs the journal."""
        if self.flowing and not self.resumable:
            return end
        return max(self.floor, self.acked)

    def position(self, end: int) -> int:
        """What the client has been handed, in a journal that ends at ``end``."""
        return end if self.flowing else self.sent

    def skipped_at(self, position: int) -> int:
        """How many messages at ``position`` the session does not read."""
        return self.skip[1] if position == self.skip[0] else 0

    def as_message(self, item: Item, new_header: Callable[[], bytes]) -> Message:
        """The message to send for ``item``: in a gap's place a notice, which is counted."""
        if not isinstance(item, Gap):
            return item
        self.counters.gaps += 1
        self.counters.dropped_messages += item.messages
        self.counters.dropped_bytes += item.size
        return item.notice(new_header())

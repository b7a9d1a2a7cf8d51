"""What is dropped when the journal is full, and how the one it happens to is told.

Only output that a frontend can do without goes (:data:`DROPPABLE`); a status, a reply, an
``input_request``, a result, an error, a comm or debug message never does. The slowest session
gives way first, and finds a gap notice in the place where its messages were.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from w2z.hub.journal import MESSAGE_COST
from w2z.message import Channel, Message, size_of
from w2z.wire.header import stderr_stream
from w2z.wire.jsontext import parse_object

DROPPABLE = frozenset({"stream", "display_data", "update_display_data"})


@dataclass(slots=True)
class Gap:
    """Consecutive messages that were dropped, and the last one's parent."""

    messages: int
    size: int
    parent_header: bytes

    def notice(self, stream_header: bytes) -> Message:
        """The message the client gets instead."""
        text = (
            f"[w2z] {self.messages} messages ({self.size} bytes) of output were dropped here:"
            " this client did not read them in time.\n"
        )
        return stderr_stream(stream_header, self.parent_header, text)


@dataclass(slots=True)
class Remains:
    """What a session still gets of the batches it was moved past, in order."""

    items: deque[Message | Gap] = field(default_factory=deque)
    size: int = 0

    def add(self, message: Message) -> None:
        """Keep ``message``, or count it into the gap at this place if it may go."""
        if not is_droppable(message):
            self.items.append(message)
            self.size += _cost(message)
            return
        if self.items and isinstance(self.items[-1], Gap):
            gap = self.items[-1]
        else:
            gap = Gap(0, 0, message.parent_header)
            self.items.append(gap)
            self.size += _cost(gap)
        gap.messages += 1
        gap.size += size_of([message])
        gap.parent_header = message.parent_header

    def take(self, size: int) -> list[Message | Gap]:
        """The oldest of it, about ``size`` bytes and at least one item if there is any."""
        taken: list[Message | Gap] = []
        while self.items and size > 0:
            item = self.items.popleft()
            cost = _cost(item)
            self.size -= cost
            size -= cost
            taken.append(item)
        return taken


def _cost(item: Message | Gap) -> int:
    return MESSAGE_COST if isinstance(item, Gap) else size_of([item]) + MESSAGE_COST


def is_droppable(message: Message) -> bool:
    """Whether a frontend can do without ``message``; one that cannot be read is kept."""
    if message.channel is not Channel.IOPUB:
        return False
    try:
        return parse_object(message.header, "header").get("msg_type") in DROPPABLE
    except ValueError:
        return False

"""Which messages may be dropped when there is no room left, and the notice that says so.

Only output that a frontend can do without is dropped (:data:`DROPPABLE`); a status, a reply, an
``input_request``, a result, an error, a comm or debug message never is. The slowest session loses
messages first, and reads a gap notice in their place.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from w2z.message import Channel, Message, size_of
from w2z.wire.authored import stream
from w2z.wire.json import dump, parse_small_object

DROPPABLE = frozenset({"stream", "display_data", "update_display_data"})

GAP = "w2z_gap"
"""Field of a gap notice's metadata: how many ``messages`` and ``bytes`` are missing."""

DROPPED = " were dropped here: "
"""Words of a gap notice's text, between how much is missing and why."""

MAX_GAP_REASON = 200
"""Characters of a reason that are kept of a notice; a kernel may have written one."""

ITEM_COST = 400
"""Bytes that a message in memory takes beside its parts and buffers. A gap takes only these."""


class Gap(NamedTuple):
    """Consecutive messages that were dropped: how many, how many bytes, and why.

    With 0 messages nobody knows how many.
    """

    messages: int
    size: int
    parent_header: bytes
    """The parent_header of the last dropped message."""
    reason: str = "this client did not read them in time"

    def and_then(self, other: Gap) -> Gap:
        """Return one gap for this one and ``other``, which follows it directly."""
        reason = self.reason
        if other.reason not in reason:
            reason = other.reason if reason in other.reason else f"{reason}; {other.reason}"
        messages, size = self.messages + other.messages, self.size + other.size
        return Gap(messages, size, other.parent_header, reason)

    def notice(self, stream_header: bytes) -> Message:
        """Return the message that the client gets in place of the dropped ones."""
        many = f"{self.messages} messages ({self.size} bytes)"
        if not self.messages:
            many = "an unknown number of messages"
        text = f"[w2z] {many} of output{DROPPED}{self.reason}.\n"
        marked = dump({GAP: {"messages": self.messages, "bytes": self.size}})
        notice = stream("stderr", stream_header, self.parent_header, text)
        return notice._replace(metadata=marked)


@dataclass(slots=True)
class Remains:
    """What a session still reads of the batches that it was moved past.

    Items are in order, each with the position of its batch. A gap merged from several has the
    position of the first.
    """

    items: deque[tuple[int, Item]] = field(default_factory=deque)
    size: int = 0

    def add(self, position: int, item: Item, sent: int) -> None:
        """Keep an item of the batch at ``position``; a message that may be dropped becomes a gap.

        Neighbouring gaps are merged. Before ``sent`` only those of one batch are: the client was
        sent these batches, and may still acknowledge them one by one.
        """
        if not isinstance(item, Gap) and is_droppable(item):
            item = _left_by(item)
        if self.items and isinstance(item, Gap):
            last_position, last = self.items[-1]
            if isinstance(last, Gap) and (last_position == position or last_position >= sent):
                self.items[-1] = (last_position, last.and_then(item))
                return
        self.items.append((position, item))
        self.size += _cost(item)

    def forget_before(self, position: int) -> None:
        """Drop the items before ``position``: the client has received them."""
        while self.items and self.items[0][0] < position:
            self.size -= _cost(self.items.popleft()[1])

    def read(self, position: int, size: int) -> tuple[list[Item], int | None]:
        """Return about ``size`` bytes of items from ``position`` on, whole batches only.

        Neighbouring gaps are merged. The second value returned is the position of the next item,
        or ``None`` if there is none.
        """
        found: list[Item] = []
        last = position
        for place, item in self.items:
            if place < position:
                continue
            if size <= 0 and place != last:
                return found, place
            if found and isinstance(item, Gap) and isinstance(found[-1], Gap):
                found[-1] = found[-1].and_then(item)
            else:
                found.append(item)
            size -= _cost(item)
            last = place
        return found, None


def _left_by(message: Message) -> Gap:
    """Return the gap to record for a dropped message. Dropping a gap notice keeps its counts."""
    if GAP.encode() in message.metadata:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            gap = parse_small_object(message.metadata, "metadata")[GAP]
            text = str(parse_small_object(message.content, "content")["text"])
            reason = text.rpartition(DROPPED)[2].removesuffix(".\n")[:MAX_GAP_REASON]
            return Gap(int(gap["messages"]), int(gap["bytes"]), message.parent_header, reason)
    return Gap(1, size_of([message]), message.parent_header)


def _cost(item: Item) -> int:
    return ITEM_COST if isinstance(item, Gap) else size_of([item]) + ITEM_COST


Item = Message | Gap
"""What a session reads: a message, or a gap in the place of dropped ones."""


def is_droppable(message: Message) -> bool:
    """Whether a frontend can do without ``message``. One with an unreadable header is kept."""
    if message.channel is not Channel.IOPUB:
        return False
    try:
        return parse_small_object(message.header, "header").get("msg_type") in DROPPABLE
    except ValueError:
        return False

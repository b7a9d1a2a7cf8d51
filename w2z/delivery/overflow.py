"""What is dropped when there is no room left, and how the one it happens to is told.

Only output that a frontend can do without goes (:data:`DROPPABLE`); a status, a reply, an
``input_request``, a result, an error, a comm or debug message never does. The slowest session
gives way first, and finds a gap notice in the place where its messages were.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from w2z.message import Channel, Message, size_of
from w2z.wire.authored import stream
from w2z.wire.json import dump, parse_object

DROPPABLE = frozenset({"stream", "display_data", "update_display_data"})

GAP = "w2z_gap"
"""Field of a gap notice's metadata: ``messages`` and ``bytes`` that are missing."""

ITEM_COST = 400
"""Bytes that what remains of a message takes beside its content; a gap has none."""


class Gap(NamedTuple):
    """Consecutive messages that were dropped, the last one's parent, and why."""

    messages: int
    size: int
    parent_header: bytes
    reason: str = "this client did not read them in time"

    def and_then(self, other: Gap) -> Gap:
        """Both, the other right behind this one."""
        return Gap(self.messages + other.messages, self.size + other.size, other.parent_header)

    def notice(self, stream_header: bytes) -> Message:
        """The message the client gets instead."""
        text = (
            f"[w2z] {self.messages} messages ({self.size} bytes) of output were dropped here:"
            f" {self.reason}.\n"
        )
        marked = dump({GAP: {"messages": self.messages, "bytes": self.size}})
        notice = stream("stderr", stream_header, self.parent_header, text)
        return notice._replace(metadata=marked)


@dataclass(slots=True)
class Remains:
    """What a session may still get of the batches it was moved past: items in order, each with the
    position of its batch, a gap with that of its first.
    """

    items: deque[tuple[int, Item]] = field(default_factory=deque)
    size: int = 0

    def add(self, position: int, item: Item, sent: int) -> None:
        """Keep what is left of the batch at ``position``; a message that may go becomes a gap.

        Gaps are made one, but for those before ``sent``: what was handed to the client may turn
        out to have arrived, batch by batch.
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
        """What was before ``position`` has arrived."""
        while self.items and self.items[0][0] < position:
            self.size -= _cost(self.items.popleft()[1])

    def read(self, position: int, size: int) -> tuple[list[Item], int | None]:
        """What there is from ``position`` on, about ``size`` bytes of it, whole batches only.

        Returns it, neighbouring gaps made one, with the position of what comes next, or ``None``.
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
    """The gap where a message was dropped; a notice leaves the one that it told of."""
    if GAP.encode() in message.metadata:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            gap = parse_object(message.metadata, "metadata")[GAP]
            return Gap(int(gap["messages"]), int(gap["bytes"]), message.parent_header)
    return Gap(1, size_of([message]), message.parent_header)


def _cost(item: Item) -> int:
    return ITEM_COST if isinstance(item, Gap) else size_of([item]) + ITEM_COST


Item = Message | Gap
"""What a session reads: a message, or what stands in the place of some."""


def is_droppable(message: Message) -> bool:
    """Whether a frontend can do without ``message``; one that cannot be read is kept."""
    if message.channel is not Channel.IOPUB:
        return False
    try:
        return parse_object(message.header, "header").get("msg_type") in DROPPABLE
    except ValueError:
        return False

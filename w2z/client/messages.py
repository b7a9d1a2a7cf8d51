"""The messages of a kernel for programs: parsed, and all of them one after the other."""

from __future__ import annotations

from typing import Any, Self

from w2z.client.inboxes import Inboxes
from w2z.client.run import KernelMessage
from w2z.message import Message
from w2z.wire.json import parse_object


def heard(message: Message) -> KernelMessage:
    """Return a message with its parts parsed; a part that is no JSON object is empty."""
    header, parent_header, metadata, content = map(_parsed, message[1:5])
    buffers = [bytes(one) for one in message.buffers]
    return KernelMessage(message.channel, header, parent_header, metadata, content, buffers)


class Messages:
    """An asynchronous iterator of messages. Take them quickly, or close it: what is not taken holds
    up all others.
    """

    def __init__(self, inboxes: Inboxes) -> None:
        self._inboxes = inboxes
        self._inbox = inboxes.add_for_all()
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> KernelMessage:
        return heard(await self._inbox.take())

    def close(self) -> None:
        """Take no more."""
        if not self._is_closed:
            self._is_closed = True
            self._inboxes.remove_for_all(self._inbox)

    def __del__(self) -> None:
        self.close()


def _parsed(part: bytes) -> dict[str, Any]:
    try:
        return parse_object(part, "a part")
    except ValueError:
        return {}

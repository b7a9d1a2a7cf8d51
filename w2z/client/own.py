"""The messages that attach itself writes, in the kernel's place or in a client's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from w2z.message import Channel, Message, Request
from w2z.wire import authored
from w2z.wire.json import dump

SESSION = uuid4().hex
"""The header session of these messages."""


def new_header(msg_type: str) -> bytes:
    """Return a header with a new ``msg_id``."""
    return authored.header(msg_type, uuid4().hex, SESSION, datetime.now(UTC))


def own_message(channel: Channel, msg_type: str, content: dict[str, Any]) -> Message:
    """Return a message without a parent."""
    return Message(channel, new_header(msg_type), b"{}", b"{}", dump(content))


def answer(request: Request, content: dict[str, Any]) -> list[Message]:
    """Return a reply with ``content``, and the status *idle* that follows it."""
    return authored.answer(request, dump(content), new_header)


def failure(request: Request, name: str, value: str) -> list[Message]:
    """Return an answer that reports an error as a kernel does."""
    return authored.failure(request, name, value, new_header)

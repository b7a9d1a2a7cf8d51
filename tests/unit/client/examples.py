"""Messages as a client sends and gets them."""

from __future__ import annotations

import itertools
import json
from typing import Any

from w2z.message import Channel, Message
from w2z.wire.heads import Head, HeadReader

_ids = itertools.count(1)


def new_header(msg_type: str) -> bytes:
    """The header of a message that the client side itself writes."""
    told = {"msg_id": f"own-{next(_ids)}", "msg_type": msg_type, "username": "w2z"}
    return json.dumps(told).encode()


def made(
    msg_type: str,
    msg_id: str = "",
    parent: str = "",
    channel: Channel = Channel.SHELL,
    *,
    metadata: dict[str, Any] | None = None,
    **content: Any,
) -> Message:
    """A message with these ids."""
    return Message(
        channel,
        json.dumps({"msg_id": msg_id or f"m{next(_ids)}", "msg_type": msg_type}).encode(),
        json.dumps({"msg_id": parent} if parent else {}).encode(),
        json.dumps(metadata or {}).encode(),
        json.dumps(content).encode(),
    )


def status(state: str, parent: str, msg_id: str = "") -> Message:
    """A status on iopub."""
    return made("status", msg_id, parent, Channel.IOPUB, execution_state=state)


def stream(text: str, parent: str, msg_id: str = "") -> Message:
    """Output on iopub."""
    return made("stream", msg_id, parent, Channel.IOPUB, name="stdout", text=text)


def head(message: Message) -> Head:
    """The ids of a message."""
    return HeadReader().read(message)


def told(message: Message) -> tuple[str, str, str]:
    """What an answer says: its type, its parent's id, and the error's name or the state."""
    content = json.loads(message.content)
    found = head(message)
    said = content.get("ename") or content.get("execution_state") or ""
    return found.msg_type, found.parent_id, said


def ids(messages: list[Message]) -> list[str]:
    """The ids of messages."""
    return [head(message).msg_id for message in messages]

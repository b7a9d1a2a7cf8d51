"""The few messages w2z itself is the author of, in Jupyter's shape.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#message-header. The time and the
id are passed in, so that what is built here is decided by the caller alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from w2z.message import Channel, Message, Request
from w2z.wire.json import dump

PROTOCOL_VERSION = "5.4"
"""The messaging protocol w2z's own messages follow."""


def timestamp(now: datetime) -> str:
    """``now`` as Jupyter's REST clients parse it: UTC, six digits of a second, ``Z``."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def header(msg_type: str, msg_id: str, session: str, now: datetime) -> bytes:
    """A message header as JSON."""
    return dump(
        {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "username": "w2z",
            "session": session,
            "date": timestamp(now),
            "version": PROTOCOL_VERSION,
        }
    )


def stream(name: str, stream_header: bytes, parent_header: bytes, text: str) -> Message:
    """Output on ``stdout`` or ``stderr``, which a frontend shows in the cell ``parent_header``
    belongs to.
    """
    content = dump({"name": name, "text": text})
    return Message(Channel.IOPUB, stream_header, parent_header, b"{}", content)


def answer(request: Request, content: bytes, new_header: Callable[[str], bytes]) -> list[Message]:
    """A reply with that content and the status ``idle``: both are what clients wait for.

    ``new_header`` makes the header of a message of that type.
    """
    message = request.message
    reply_type = request.msg_type.removesuffix("_request") + "_reply"
    idle = dump({"execution_state": "idle"})
    return [
        Message(message.channel, new_header(reply_type), message.header, b"{}", content),
        Message(Channel.IOPUB, new_header("status"), message.header, b"{}", idle),
    ]


def failure(
    request: Request, name: str, value: str, new_header: Callable[[str], bytes]
) -> list[Message]:
    """An answer that tells of an error, as a kernel's does: code that fails says so on iopub, too,
    where notebooks look for it.
    """
    error = {"ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}
    replies = answer(request, dump({"status": "error", **error}), new_header)
    if request.msg_type != "execute_request":
        return replies
    parent = request.message.header
    return [Message(Channel.IOPUB, new_header("error"), parent, b"{}", dump(error)), *replies]

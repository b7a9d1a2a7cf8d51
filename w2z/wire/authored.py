"""The few kinds of message that w2z itself writes, in Jupyter's shape.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#message-header. The caller passes
the time and the id: these functions read no clock and make no random ids.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from w2z.message import Channel, Message, Request
from w2z.wire.json import dump

PROTOCOL_VERSION = "5.4"
"""The version of the messaging protocol that w2z's own messages follow."""


def timestamp(now: datetime) -> str:
    """Format ``now`` as Jupyter's REST clients parse it: UTC, six digits of a second, ``Z``."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def header(msg_type: str, msg_id: str, session: str, now: datetime) -> bytes:
    """Return a message header as JSON."""
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
    """Return output on ``stdout`` or ``stderr``.

    A frontend shows it in the cell to which ``parent_header`` belongs.
    """
    content = dump({"name": name, "text": text})
    return Message(Channel.IOPUB, stream_header, parent_header, b"{}", content)


def answer(request: Request, content: bytes, new_header: Callable[[str], bytes]) -> list[Message]:
    """Return a reply with ``content``, and the status ``idle``: clients wait for both.

    ``new_header`` makes a header for the message type that it is given.
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
    """Return an answer that reports an error as a kernel does.

    For an ``execute_request`` it includes an ``error`` on iopub, where notebooks look for it.
    """
    error = {"ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}
    replies = answer(request, dump({"status": "error", **error}), new_header)
    if request.msg_type != "execute_request":
        return replies
    parent = request.message.header
    return [Message(Channel.IOPUB, new_header("error"), parent, b"{}", dump(error)), *replies]

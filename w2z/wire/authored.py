"""The few messages w2z itself is the author of, in Jupyter's shape.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#message-header. The time and the
id are passed in, so that what is built here is decided by the caller alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

from w2z.message import Channel, Message
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

"""What a client has to know of each message it gets: its id, its type, and whose answer it is.

As in :mod:`w2z.wire.outline`, msgspec reads the few fields and builds nothing of the rest. What it
cannot read (odd JSON, no object) has no id: the message is carried, and not tracked.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from w2z.message import Message


class Head(NamedTuple):
    """The ids of a message; an empty text where there is none."""

    msg_id: str
    msg_type: str
    parent_id: str


class _Header(Struct):
    msg_id: str = ""
    msg_type: str = ""


class _Status(Struct):
    execution_state: str = ""


_HEADER = Decoder(_Header)
_STATUS = Decoder(_Status)
_NOTHING = _Header()


class HeadReader:
    """Reads heads. Most messages have the parent of the one before, which is read once."""

    def __init__(self) -> None:
        self._parent = b"{}"
        self._parent_id = ""

    def read(self, message: Message) -> Head:
        """Return the head of a message."""
        header = _decode(_HEADER, message.header) or _NOTHING
        if message.parent_header != self._parent:
            self._parent = message.parent_header
            self._parent_id = (_decode(_HEADER, message.parent_header) or _NOTHING).msg_id
        return Head(header.msg_id, header.msg_type, self._parent_id)


def execution_state(content: bytes) -> str:
    """Return the state that the content of a ``status`` message tells; empty if it tells none."""
    found = _decode(_STATUS, content)
    return "" if found is None else str(found.execution_state)


def _decode(decoder: Decoder[Any], text: bytes) -> Any:
    try:
        return decoder.decode(text)
    except (DecodeError, RecursionError, UnicodeDecodeError):
        return None

"""A Jupyter message as it travels through w2z: bytes in, the same bytes out.

https://jupyter-client.readthedocs.io/en/stable/messaging.html names the parts. They stay JSON
*bytes*: on the way to a client they are parsed only if a decision needs one of their fields, so
fields that w2z does not know are carried unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

Buffer = bytes | memoryview
"""Binary data beside the JSON parts; a view into the payload received, if that saves a copy."""


class Channel(StrEnum):
    """The five channels of a kernel; ``hb`` is the heartbeat."""

    SHELL = "shell"
    IOPUB = "iopub"
    STDIN = "stdin"
    CONTROL = "control"
    HB = "hb"

    # Enum's own is a Python function, and channels are keys on every message's way.
    __hash__ = str.__hash__


class Message(NamedTuple):
    """One message: its channel, four JSON parts as bytes, and any number of buffers."""

    channel: Channel
    header: bytes
    parent_header: bytes
    metadata: bytes
    content: bytes
    buffers: tuple[Buffer, ...] = ()


class Author(NamedTuple):
    """Who sent a request: the address of the peer, and the name it has by its token, if any."""

    peer: str
    principal: str | None = None


NOBODY = Author("")
"""The author of a request that no audit log asks for."""


class Request(NamedTuple):
    """A message from a client, with the two fields of its header that decoding reads.

    On ``hb`` no field is read. There ``payload`` is the received payload, which goes to the
    kernel's heartbeat unchanged; the default format leaves it empty. ``author`` is set where an
    audit log asks for it.
    """

    message: Message
    msg_type: str = ""
    msg_id: str = ""
    payload: bytes = b""
    author: Author = NOBODY


def digest(session_id: str) -> str:
    """Return the name of a session in logs and metrics, which shows nobody how to take it over."""
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).hexdigest()[:12]


BUFFER_COST = 100
"""Bytes of memory that a buffer takes beside its content: an object, and places in lists."""


def size_of(messages: Iterable[Message]) -> int:
    """Return the bytes of the parts and buffers of ``messages``: what memory limits count.

    A buffer counts :data:`BUFFER_COST` more than its content: a message may have many small ones.
    """
    total = 0
    for message in messages:
        _, header, parent_header, metadata, content, buffers = message
        total += len(header) + len(parent_header) + len(metadata) + len(content)
        for buffer in buffers:
            total += len(buffer) + BUFFER_COST
    return total

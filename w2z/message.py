"""A Jupyter message as it travels through w2z: bytes in, the same bytes out.

https://jupyter-client.readthedocs.io/en/stable/messaging.html names the parts. They stay JSON
*bytes*: nothing on the way to a client parses them unless a decision needs one of their fields,
so fields w2z has never heard of survive untouched.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

Buffer = bytes | memoryview
"""Binary data beside the JSON parts; a view into a received payload where that saves a copy."""


class Channel(StrEnum):
    """The five sockets of a kernel; ``hb`` is the heartbeat."""

    SHELL = "shell"
    IOPUB = "iopub"
    STDIN = "stdin"
    CONTROL = "control"
    HB = "hb"


class Message(NamedTuple):
    """One message: its channel, four JSON parts as bytes, and any number of buffers."""

    channel: Channel
    header: bytes
    parent_header: bytes
    metadata: bytes
    content: bytes
    buffers: tuple[Buffer, ...] = ()


class Request(NamedTuple):
    """A message that a client sends, with what its decoding has read of it.

    On ``hb`` nothing is read: ``payload`` is what goes to the kernel's heartbeat as it is, if the
    format has one.
    """

    message: Message
    msg_type: str = ""
    msg_id: str = ""
    payload: bytes = b""


def size_of(messages: Iterable[Message]) -> int:
    """Bytes held by ``messages``, parts and buffers; the measure of every memory limit."""
    total = 0
    for message in messages:
        _, header, parent_header, metadata, content, buffers = message
        total += len(header) + len(parent_header) + len(metadata) + len(content)
        for buffer in buffers:
            total += len(buffer)
    return total

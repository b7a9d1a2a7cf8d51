"""What the two websocket formats share: payloads, codecs and RFC 6455 framing.

A codec is chosen once, at the handshake (:mod:`w2z.wire.subprotocol`), and holds no state. So one
batch is encoded once for all clients that share a codec: the framed bytes are the same for each,
because a server does not mask (RFC 6455 section 5.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from w2z.errors import MalformedPayload
from w2z.message import Buffer, Message, Request

MAX_BUFFERS = 2**16
"""Buffers that a client's message may have: far more than any sends. An empty buffer costs its
sender 8 bytes and w2z hundreds: without this bound, 256 MiB of offsets would take gigabytes of
memory and a minute.
"""

APART = 2**20
"""Bytes of a part that is written to clients as it is. A copy of it would cost more time than the
other way costs in writes.
"""

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82

_SHORT = struct.Struct("!BB")
_MEDIUM = struct.Struct("!BBH")
_LONG = struct.Struct("!BBQ")


class Payload(NamedTuple):
    """One websocket message to a client: whether it is text, its bytes, and their number.

    The chunks are joined once for a whole batch.
    """

    text: bool
    size: int
    chunks: tuple[Buffer, ...]


class Codec(Protocol):
    """One of the two websocket formats."""

    def encode(self, message: Message) -> Payload:
        """Encode ``message`` for a client."""

    def decode(self, payload: bytes, text: bool) -> Request:
        """Read one payload of a client; raises no error but :class:`~w2z.errors.ClientError`."""


def read_header(fields: dict[str, Any]) -> tuple[str, str]:
    """Return ``msg_type`` and ``msg_id`` of a request's header, without which no kernel can answer.

    Existing clients may leave out every other field; what they send is carried unchanged. Raises
    :class:`~w2z.errors.MalformedPayload` if one of the two fields is not a string, or if a version
    is given that is none.
    """
    msg_id, msg_type = (_string(fields, name) for name in ("msg_id", "msg_type"))
    if "version" in fields and not _string(fields, "version")[:1].isdecimal():
        raise MalformedPayload('header.version has to be like "5.4", or be left out')
    return msg_type, msg_id


def frame_header(text: bool, size: int) -> bytes:
    """Return the header of an unfragmented, unmasked data frame (RFC 6455 section 5.2)."""
    first = _FIN_TEXT if text else _FIN_BINARY
    if size < 126:
        return _SHORT.pack(first, size)
    if size < 65536:
        return _MEDIUM.pack(first, 126, size)
    return _LONG.pack(first, 127, size)


def to_pieces(codec: Codec, messages: Iterable[Message]) -> list[Buffer]:
    """Encode and frame a batch; returns the bytes to write, in order, to every client that uses
    ``codec``.

    That is one piece, unless a part has :data:`APART` bytes: it is a piece of its own, not copied.
    """
    encode = codec.encode
    pieces: list[Buffer] = []
    chunks: list[Buffer] = []
    for message in messages:
        text, size, body = encode(message)
        chunks.append(frame_header(text, size))
        if size < APART:
            chunks += body
            continue
        for chunk in body:
            if len(chunk) < APART:
                chunks.append(chunk)
            else:
                pieces += (b"".join(chunks), chunk)
                chunks = []
    if chunks:
        pieces.append(b"".join(chunks))
    return pieces


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedPayload(f"header.{name} is missing or not a string")
    return value

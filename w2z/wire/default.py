"""The default websocket format, for clients that ask for no kernel subprotocol.

A message without buffers is a text message: one JSON object. A message with buffers is binary:
``nbufs`` and ``nbufs`` offsets, each a big-endian uint32, then the JSON object and the buffers, the
last of which runs to the end. https://jupyter-client.readthedocs.io/en/stable/messaging.html and
https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html.

Clients of this format are lenient, and so is :meth:`DefaultCodec.decode`: a missing ``channel``
means shell, ``buffers`` may be missing, ``[]`` or ``{}``, and a missing JSON part is ``{}``.
"""

from __future__ import annotations

import struct
from typing import Any

from pydantic_core import from_json

from w2z.errors import KernelMessageError, MalformedPayload, NotAllowed
from w2z.message import Buffer, Channel, Message, Request
from w2z.wire.json import dump, parse_object
from w2z.wire.outline import check_size, outline, parse_odd, read_head
from w2z.wire.payload import MAX_BUFFERS, Payload

_JSON_PARTS = ("header", "parent_header", "metadata", "content")
_CHANNELS = {b'"%b"' % channel.encode(): channel for channel in Channel} | {b"null": Channel.SHELL}
_CHANNEL_AT_MOST = 64
_SHOWN = 32
_LARGEST_OFFSET = 2**32 - 1
_COUNT = struct.Struct("!I")
_TEXT_ENDS = {channel: b',"buffers":[],"channel":"%b"}' % channel.encode() for channel in Channel}
_BINARY_ENDS = {channel: b',"channel":"%b"}' % channel.encode() for channel in Channel}


class DefaultCodec:
    """Encodes and decodes payloads of the default format."""

    def encode(self, message: Message) -> Payload:
        """Join the JSON parts to one object.

        Only the header is parsed, because clients expect ``msg_id`` and ``msg_type`` at the top
        level, too. Raises :class:`~w2z.errors.KernelMessageError` for a header (on ``hb`` for any
        part) that is not a JSON object, and for buffers that the format's offsets do not reach.
        """
        if message.channel is Channel.HB:
            message = _as_json(message)
        channel, header, parent_header, metadata, content, buffers = message
        try:
            fields = parse_object(header, "header")
        except ValueError as error:
            raise KernelMessageError(str(error)) from None
        ends = _BINARY_ENDS if buffers else _TEXT_ENDS
        text: tuple[bytes, ...] = (
            b'{"header":',
            header,
            b',"msg_id":',
            dump(fields.get("msg_id")),
            b',"msg_type":',
            dump(fields.get("msg_type")),
            b',"parent_header":',
            parent_header,
            b',"metadata":',
            metadata,
            b',"content":',
            content,
            ends[channel],
        )
        if not all(map(bytes.isascii, message[1:5])):
            text = (_valid_utf8(b"".join(text)),)
        size = sum(map(len, text))
        if not buffers:
            return Payload(True, size, text)
        count = 1 + len(buffers)
        offset = 4 * (count + 1)
        offsets = [offset]
        offset += size
        for buffer in buffers:
            offsets.append(offset)
            offset += len(buffer)
        if offsets[-1] > _LARGEST_OFFSET:
            raise KernelMessageError("a message over 4 GiB does not fit the default format")
        table = struct.pack(f"!{count + 1}I", count, *offsets)
        return Payload(False, offset, (table, *text, *buffers))

    def decode(self, payload: bytes, text: bool) -> Request:
        """Read one payload.

        Raises :class:`MalformedPayload` for offsets that do not describe the payload, bad UTF-8
        or JSON, or fields of the wrong kind. Raises :class:`NotAllowed` for an unknown channel, and
        :class:`~w2z.errors.MessageTooBig` for too much JSON.
        """
        buffers: tuple[Buffer, ...] = ()
        if not text:
            payload, buffers = _split(payload)
        check_size(len(payload))
        try:
            found = outline(payload)
            if found is None:
                return _decode_odd(payload, buffers)
            channel = _channel_of(found.channel)
            message = Message(channel, *found[1:], buffers)
            if channel is Channel.HB:
                return Request(message)
            return _with_head(message)
        except ValueError as error:
            raise MalformedPayload(str(error)) from None


def _decode_odd(text: bytes, buffers: tuple[Buffer, ...]) -> Request:
    """Read JSON that :func:`~w2z.wire.outline.outline` does not read; raises what decoding raises,
    :class:`ValueError` for bad JSON.
    """
    fields = parse_odd(text, "the message")
    channel = _channel(fields.get("channel"))
    header, parent_header, metadata, content = (dump(_object(fields, name)) for name in _JSON_PARTS)
    message = Message(channel, header, parent_header, metadata, content, buffers)
    if channel is Channel.HB:
        return Request(message)
    return _with_head(message)


def _with_head(message: Message) -> Request:
    """Return the request; raises what reading its header raises."""
    header, msg_type, msg_id = read_head(message.header)
    return Request(message._replace(header=header), msg_type, msg_id)


def _split(payload: bytes) -> tuple[bytes, tuple[Buffer, ...]]:
    """Split a binary payload into its JSON text and its buffers; checks the offsets first."""
    size = len(payload)
    if size < 4:
        raise MalformedPayload(f"the payload has {size} bytes, too few for a buffer count")
    (count,) = _COUNT.unpack_from(payload)
    # Checked before anything is allocated: the peer may claim any count.
    most = min((size - 4) // 4, 1 + MAX_BUFFERS)
    if not 1 <= count <= most:
        raise MalformedPayload(
            f"the payload claims {count} parts; it has to be at least 1"
            f" and in {size} bytes at most {most}"
        )
    offsets: tuple[int, ...] = struct.unpack_from(f"!{count}I", payload, 4)
    last = 4 * (count + 1)
    if offsets[0] != last:
        raise MalformedPayload(f"the first offset is {offsets[0]}, but has to be {last}")
    for offset in offsets:
        if not last <= offset <= size:
            raise MalformedPayload(
                f"offset {offset} has to lie between {last} and the payload's end at {size}"
            )
        last = offset
    view = memoryview(payload)
    ends = (*offsets[1:], size)
    parts = [view[start:end] for start, end in zip(offsets, ends, strict=True)]
    check_size(len(parts[0]))
    return bytes(parts[0]), tuple(parts[1:])


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} has to be a JSON object")
    return value


def _channel_of(text: bytes) -> Channel:
    """Return the channel that JSON names; raises :class:`NotAllowed` for another one."""
    channel = _CHANNELS.get(text)
    if channel is not None:
        return channel
    # Another spelling of a name, or not one: either is short, or is not looked at.
    if len(text) > _CHANNEL_AT_MOST:
        raise NotAllowed(f"there is no channel {text[:_SHOWN]!r}")
    return _channel(from_json(text))


def _channel(name: Any) -> Channel:
    if name is None:
        return Channel.SHELL
    try:
        return Channel(name)
    except ValueError:
        raise NotAllowed(f"there is no channel {str(name)[:_SHOWN]!r}") from None


def _as_json(echo: Message) -> Message:
    """Return an echo that fits this format, with ``{}`` for empty parts.

    A client of format v1 may have sent anything on ``hb``. Raises
    :class:`~w2z.errors.KernelMessageError` for a part that is not a JSON object.
    """
    header, parent_header, metadata, content = (part or b"{}" for part in echo[1:5])
    fitting = Message(echo.channel, header, parent_header, metadata, content, echo.buffers)
    try:
        for part, name in zip(fitting[1:5], _JSON_PARTS, strict=True):
            parse_object(part, name)
    except ValueError as error:
        raise KernelMessageError(str(error)) from None
    return fitting


def _valid_utf8(body: bytes) -> bytes:
    """Return ``body`` if it is UTF-8, as a text message has to be (RFC 6455 section 8.1).

    If it is not, replace each invalid byte sequence.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body

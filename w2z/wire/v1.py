"""The websocket format ``v1.kernel.websocket.jupyter.org``.

https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html: always a
binary message. It has ``n`` and ``n`` offsets, each a little-endian uint64, then the parts that the
offsets point to: channel, header, parent_header, metadata, content, buffers. The last offset is the
end of the payload, so ``n = 6 + len(buffers)``. The JSON parts are the bytes that ZMQ carries,
never re-serialised.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from w2z.errors import MalformedPayload, NotAllowed, WrongFrameKind
from w2z.message import Buffer, Channel, Message, Request
from w2z.wire.outline import check_object, check_size, type_and_id
from w2z.wire.payload import MAX_BUFFERS, Payload

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"

_COUNT = struct.Struct("<Q")
_PREFIX = struct.Struct("<7Q")
_FIXED_PARTS = 5
_CHANNELS = {channel: channel.encode() for channel in Channel}
_CHECKED_PARTS = ("parent_header", "metadata", "content")
_LONGEST_CHANNEL = 32


class V1Codec:
    """Encodes and decodes payloads of the v1 format."""

    def encode(self, message: Message) -> Payload:
        """Encode ``message``; its parts are put into the payload unchanged."""
        name, header, parent_header, metadata, content, buffers = message
        channel = _CHANNELS[name]
        count = 1 + _FIXED_PARTS + len(buffers)
        start = 8 * (count + 1)
        at_header = start + len(channel)
        at_parent = at_header + len(header)
        at_metadata = at_parent + len(parent_header)
        at_content = at_metadata + len(metadata)
        end = at_content + len(content)
        prefix = _PREFIX.pack(count, start, at_header, at_parent, at_metadata, at_content, end)
        if not buffers:
            return Payload(False, end, (prefix, channel, header, parent_header, metadata, content))
        ends = []
        for buffer in buffers:
            end += len(buffer)
            ends.append(end)
        offsets = prefix + struct.pack(f"<{len(ends)}Q", *ends)
        body = (offsets, channel, header, parent_header, metadata, content, *buffers)
        return Payload(False, end, body)

    def decode(self, payload: bytes, text: bool) -> Request:
        """Read one payload. On ``hb`` its parts may be anything: only the client reads the echo.

        Raises :class:`WrongFrameKind` for text. Raises :class:`MalformedPayload` for offsets that
        do not describe the payload, parts that are not JSON objects, or a header without
        ``msg_type`` or ``msg_id``. Raises :class:`NotAllowed` for a channel that does not exist.
        Raises :class:`~w2z.errors.MessageTooBig` for too much JSON.
        """
        if text:
            raise WrongFrameKind(f"{SUBPROTOCOL} has binary messages only, this one is text")
        offsets = _offsets(payload, _FIXED_PARTS + 1 + MAX_BUFFERS)
        view = memoryview(payload)
        channel = _channel(view[offsets[0] : offsets[1]])
        check_size(offsets[5] - offsets[1])
        nothing = b"" if channel is Channel.HB else b"{}"
        header, parent_header, metadata, content = (
            payload[start:end] or nothing for start, end in pairwise(offsets[1:6])
        )
        buffers: tuple[Buffer, ...] = tuple(view[start:end] for start, end in pairwise(offsets[5:]))
        message = Message(channel, header, parent_header, metadata, content, buffers)
        if channel is Channel.HB:
            return Request(message, payload=payload)
        try:
            msg_type, msg_id = type_and_id(header)
            for part, name in zip(message[2:5], _CHECKED_PARTS, strict=True):
                check_object(part, name)
        except ValueError as error:
            raise MalformedPayload(str(error)) from None
        return Request(message, msg_type, msg_id)


def read(payload: bytes) -> Message:
    """Read one payload of a w2z: the client's side, which takes the JSON parts as they are.

    The buffers are views into ``payload``. Raises :class:`MalformedPayload` for offsets that do not
    describe the payload, and :class:`NotAllowed` for a channel that does not exist.
    """
    offsets = _offsets(payload, len(payload))
    view = memoryview(payload)
    channel = _channel(view[offsets[0] : offsets[1]])
    header, parent_header, metadata, content = (
        payload[start:end] for start, end in pairwise(offsets[1:6])
    )
    buffers: tuple[Buffer, ...] = ()
    if len(offsets) > _FIXED_PARTS + 1:
        buffers = tuple(view[start:end] for start, end in pairwise(offsets[5:]))
    return Message(channel, header, parent_header, metadata, content, buffers)


def _offsets(payload: bytes, most: int) -> tuple[int, ...]:
    """Return the offsets of ``payload``, which may be at most ``most``.

    Raises :class:`MalformedPayload` unless they ascend and lie within the payload.
    """
    size = len(payload)
    if size < 8:
        raise MalformedPayload(f"the payload has {size} bytes, too few for an offset count")
    (count,) = _COUNT.unpack_from(payload)
    least = 1 + _FIXED_PARTS
    # Checked before anything is allocated: the peer may claim any count.
    most = min((size - 8) // 8, most)
    if not least <= count <= most:
        raise MalformedPayload(
            f"the payload claims {count} offsets; it has to be at least {least}"
            f" and in {size} bytes at most {most}"
        )
    offsets: tuple[int, ...] = struct.unpack_from(f"<{count}Q", payload, 8)
    last = 8 * (count + 1)
    if offsets[0] != last:
        raise MalformedPayload(f"the first offset is {offsets[0]}, but has to be {last}")
    for offset in offsets:
        if offset < last:
            raise MalformedPayload(f"offset {offset} comes after {last}: offsets have to ascend")
        last = offset
    if last != size:
        raise MalformedPayload(f"the last offset is {last}, but the payload has {size} bytes")
    return offsets


def _channel(view: memoryview) -> Channel:
    name = bytes(view[:_LONGEST_CHANNEL])
    try:
        return Channel(name.decode())
    except ValueError:
        raise NotAllowed(f"there is no channel {name!r}") from None

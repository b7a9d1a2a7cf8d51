"""The two websocket formats: what a client says.

Whatever the payload:

- ``decode`` returns a Request or raises ClientError, and no other error.
- A part that is taken for a JSON object is one for Python's :mod:`json` too, wherever that reads
  it at all, and the type and the id are those that :mod:`json` finds.
- What v1 decodes it encodes to the same bytes, but for empty parts, which become ``{}``.
- What either decodes can be sent to the kernel. It can be encoded in both formats, or raises
  KernelMessageError, and what is encoded decodes to the same parts.
"""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from typing import Any

from tests.fuzz.examples import DEFAULT_PAYLOADS, JSON_VALUES, JSON_WORDS, KEY, V1_PAYLOADS
from tests.fuzz.mutate import Input, Mutator
from w2z.errors import ClientError, KernelMessageError
from w2z.message import Channel, Message, Request
from w2z.wire.outline import VERSION
from w2z.wire.payload import Codec
from w2z.wire.signature import Signer
from w2z.wire.subprotocol import DEFAULT, V1
from w2z.wire.zmq import to_parts

_SIGNER = Signer(KEY, "hmac-sha256")
_PARTS = ("header", "parent_header", "metadata", "content")
_UNREADABLE = object()


class _Codec:
    share = 0.2

    def __init__(self, codec: Codec, corpus: list[bytes]) -> None:
        self.codec = codec
        self.corpus = corpus

    def make(self, mutator: Mutator) -> Input:
        """A payload that is mutated, its table of offsets with it."""
        return (mutator.mutate(mutator.pick(self.corpus), self.corpus, JSON_WORDS),)

    def text(self, mutator: Mutator, text: bytes, corpus: list[bytes]) -> bytes:
        """JSON that is mutated."""
        if mutator.chance(0.6):
            return mutator.mutate_json(text, JSON_VALUES)
        return mutator.mutate(text, corpus, JSON_WORDS)

    def renew(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""

    def decoded(self, payload: bytes, *, text: bool) -> Request | str:
        """The request, or the name of the error."""
        try:
            request = self.codec.decode(payload, text)
        except ClientError as error:
            return type(error).__name__
        to_parts(request.message, _SIGNER)
        if request.message.channel is not Channel.HB:
            self._are_objects(request)
        for other in (V1, DEFAULT):
            self._is_encoded(other, request.message)
        return request

    def _are_objects(self, request: Request) -> None:
        for part in request.message[1:5]:
            value = as_json(part)
            assert value is _UNREADABLE or isinstance(value, dict), part
        header = as_json(request.message.header)
        if header is not _UNREADABLE:
            found = (header["msg_type"], header["msg_id"])
            assert found == (request.msg_type, request.msg_id), found

    def _is_encoded(self, codec: Codec, message: Message) -> None:
        try:
            encoded = codec.encode(message)
        except KernelMessageError:
            assert codec is DEFAULT, "v1 carries everything"
            is_odd = message.channel is Channel.HB or as_json(message.header) is _UNREADABLE
            assert is_odd, "only on hb anything goes"
            return
        payload = b"".join(encoded.chunks)
        assert len(payload) == encoded.size
        try:
            again = codec.decode(payload, encoded.text).message
        except ClientError:
            # As a whole it may be too deep, or be odd and have too long a number in it.
            assert codec is DEFAULT
            whole = b"[" + b",".join(message[1:5]) + b"]"
            assert as_json(whole) is _UNREADABLE
            return
        assert again.channel is message.channel
        assert list(map(bytes, again.buffers)) == list(map(bytes, message.buffers))
        if codec is V1 or message.channel is not Channel.HB:
            for one, other in zip(again[1:5], message[1:5], strict=True):
                assert one == other or repr(as_json(one)) == repr(as_json(other))


class V1Fuzzer(_Codec):
    """The format v1."""

    name = "v1"

    def __init__(self) -> None:
        super().__init__(V1, V1_PAYLOADS)

    def make(self, mutator: Mutator) -> Input:
        if mutator.chance(0.5):
            return super().make(mutator)
        payload = mutator.pick(self.corpus)
        (count,) = struct.unpack_from("<Q", payload)
        offsets = struct.unpack_from(f"<{count}Q", payload, 8)
        parts = [payload[a:b] for a, b in pairwise(offsets)]
        at = mutator.below(len(parts))
        parts[at] = self.text(mutator, parts[at], parts)
        ends = [8 * (count + 1)]
        for part in parts:
            ends.append(ends[-1] + len(part))
        return (struct.pack(f"<{count + 1}Q", count, *ends) + b"".join(parts),)

    def check(self, given: Input) -> str:
        request = self.decoded(given[0], text=False)
        if isinstance(request, str):
            return request
        again = b"".join(V1.encode(request.message).chunks)
        (count,) = struct.unpack_from("<Q", given[0])
        offsets = struct.unpack_from(f"<{count}Q", given[0], 8)
        has_empty = any(a == b for a, b in pairwise(offsets[1:6]))
        is_completed = request.message.header != given[0][offsets[1] : offsets[2]]
        if request.message.channel is Channel.HB or not (has_empty or is_completed):
            assert again == given[0]
        if is_completed and not has_empty:
            assert request.message.header.startswith(b"{" + VERSION), request.message.header
            assert again.endswith(given[0][offsets[2] :])
        return f"on {request.message.channel}"


class DefaultFuzzer(_Codec):
    """The default format."""

    name = "default"

    def __init__(self) -> None:
        super().__init__(DEFAULT, DEFAULT_PAYLOADS)

    def make(self, mutator: Mutator) -> Input:
        payload = mutator.pick(self.corpus)
        if payload.startswith(b"{"):
            return (self.text(mutator, payload, self.corpus),)
        if mutator.chance(0.5):
            return super().make(mutator)
        (count,) = struct.unpack_from("!I", payload)
        offsets = struct.unpack_from(f"!{count}I", payload, 4)
        text = payload[offsets[0] : offsets[1]]
        changed = self.text(mutator, text, self.corpus)
        more = len(changed) - len(text)
        moved = [offsets[0], *(offset + more for offset in offsets[1:])]
        table = struct.pack(f"!{count + 1}I", count, *moved)
        return (table + changed + payload[offsets[1] :],)

    def check(self, given: Input) -> str:
        """As what it looks like, and as what it does not."""
        text = given[0].startswith(b"{")
        self._check(given[0], text=not text)
        return self._check(given[0], text=text)

    def _check(self, payload: bytes, *, text: bool) -> str:
        request = self.decoded(payload, text=text)
        if isinstance(request, str):
            return request
        if text:
            whole = as_json(payload)
            if whole is not _UNREADABLE:
                assert Channel(whole.get("channel") or "shell") is request.message.channel
                for name, part in zip(_PARTS, request.message[1:5], strict=True):
                    sent = whole.get(name) or {}
                    is_request = request.message.channel is not Channel.HB
                    if name == "header" and is_request and "version" not in sent:
                        sent = {"version": "5.3", **sent}
                    assert repr(as_json(part)) == repr(sent), name
        return f"on {request.message.channel}"


def as_json(text: bytes) -> Any:
    """What :mod:`json` reads. It reads no very long number, and not every depth."""
    try:
        return json.loads(text.decode())
    except RecursionError:
        return _UNREADABLE
    except ValueError as error:
        if "integer string conversion" in str(error):
            return _UNREADABLE
        raise

"""Valid examples, and words that mean something in them.

None of them is made with w2z's own encoders: what these get wrong would not be found.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from typing import Any

from tests.fuzz.mutate import Input
from tests.support.raw_websocket import masked

KEY = b"the-key-of-the-kernel-s3cret"
DELIMITER = b"<IDS|MSG>"
V1 = "v1.kernel.websocket.jupyter.org"

JSON_WORDS = (
    *(b"%c" % byte for byte in b'{}[]",:\\0 \n\t\0\xff\x7f'),
    *(b"{}", b"[]", b"null", b"true", b"false", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"1.5"),
    *(b'""', b'{"a":1}', b'"a":1,', b",,", b"\\ud800", b"\\ud83d\\ude00", b"\\u0000", b"\\x"),
    *(b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8"),
    *(b'"msg_id"', b'"msg_type"', b'"msg_type":"other",', b'"header":{},', b'"channel":"hb",'),
    *(b'"\\u006dsg_id":1,', b"9" * 30, b"9" * 400, b"[" * 40, b'{"a":' * 150, b"]" * 40),
    *(b"[" * 700 + b"]" * 700, b"[" * 3000, b"9" * 4400, b"1" + b"0" * 4299),
)
"""What JSON is made of, and what its readers disagree about."""

JSON_VALUES = (
    *(b"{}", b"[]", b"null", b"true", b"0", b"-1", b"1.5e3", b"NaN", b"Infinity", b"1e999"),
    *(b'""', b'"a"', b'"\\ud800"', b'"\\u0000"', b'"\xc3\xa9"', b'"hb"', b'"shell"', b'"control"'),
    *(b'"msg_id"', b'"msg_type"', b'"channel"', b'"session"', b'"status"', b'"busy"', b'"idle"'),
    *(b'{"a":{"msg_id":1}}', b'{"msg_type":"x","msg_type":"y","msg_id":"z"}', b"65535", b"65536"),
    *(b"9" * 30, b"9" * 4400, b"[" * 150 + b"]" * 150, b'{"a":' * 600 + b"1" + b"}" * 600),
    *(b"[" * 1200 + b"]" * 1200, b'"' + b"x" * 5000 + b'"', b"[[],{},null]"),
)
"""Values to put in the place of others."""

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")

_HEADER = {
    "msg_id": "5f8a-1",
    "msg_type": "execute_request",
    "username": "tester",
    "session": "tester",
    "date": "2026-11-22T22:48:07.255026Z",
    "version": "5.4",
}


def _content(number: int) -> dict[str, Any]:
    contents: list[dict[str, Any]] = [
        {"code": "print('\u00e9')", "silent": False, "user_expressions": {"a": "1+1"}},
        {"execution_state": "busy"},
        {"restart": True},
        {"data": {"a": [1, 2.5, None, True, {"b": "\ud83d"}]}, "comm_id": "x" * 40},
        {},
    ]
    return contents[number % len(contents)]


MESSAGES: list[tuple[str, dict[str, Any], tuple[bytes, ...]]] = [
    (
        channel,
        {
            "header": {**_HEADER, "msg_type": msg_type, "msg_id": f"id-{number}"},
            "parent_header": _HEADER if number % 2 else {},
            "metadata": {"cellId": number} if number % 3 else {},
            "content": _content(number),
        },
        tuple(bytes(range(size)) for size in range(0, 30 * (number % 4), 10)),
    )
    for number, (channel, msg_type) in enumerate(
        (channel, msg_type)
        for channel in CHANNELS
        for msg_type in ("execute_request", "kernel_info_request", "status", "comm_msg")
    )
]
"""Channel, JSON parts and buffers."""


def _v1(channel: str, parts: dict[str, Any], buffers: tuple[bytes, ...]) -> bytes:
    pieces = [channel.encode(), *(json.dumps(part).encode() for part in parts.values()), *buffers]
    offsets = [8 * (len(pieces) + 2)]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    return struct.pack(f"<{1 + len(offsets)}Q", len(offsets), *offsets) + b"".join(pieces)


def _default(channel: str, parts: dict[str, Any], buffers: tuple[bytes, ...]) -> bytes:
    text = json.dumps({**parts, "buffers": [], "channel": channel}).encode()
    if not buffers:
        return text
    offsets = [4 * (2 + len(buffers))]
    for piece in (text, *buffers[:-1]):
        offsets.append(offsets[-1] + len(piece))
    table = struct.pack(f"!{1 + len(offsets)}I", len(offsets), *offsets)
    return table + text + b"".join(buffers)


V1_PAYLOADS = [_v1(*message) for message in MESSAGES]
DEFAULT_PAYLOADS = [_default(*message) for message in MESSAGES]
JSON_PARTS = [json.dumps(part).encode() for message in MESSAGES for part in message[1].values()]


def sign(*parts: bytes) -> bytes:
    """Return the signature of four JSON parts."""
    return hmac.new(KEY, b"".join(parts), hashlib.sha256).hexdigest().encode()


def multipart(*parts: bytes, topics: Input = (), buffers: Input = ()) -> Input:
    """Return what a kernel sends."""
    return (*topics, DELIMITER, sign(*parts), *parts, *buffers)


MULTIPARTS = [
    multipart(
        *(json.dumps(part).encode() for part in parts.values()),
        topics=((b"kernel.5f8a.status",) * (number % 3)),
        buffers=buffers,
    )
    for number, (_, parts, buffers) in enumerate(MESSAGES)
]

_MASK = b"\x12\x00\xf3\x7c"


def frame(data: bytes, first: int = 0x82, *, mask: bytes = _MASK) -> bytes:
    """Return one frame as a client sends it; ``first`` is its first byte."""
    return masked(data, first, mask)


FIRST_BYTES = (
    *(0x81, 0x82, 0x82, 0x01, 0x02, 0x00, 0x00, 0x80, 0x80),
    *(0x88, 0x89, 0x8A, 0x08, 0x09, 0x83, 0x8F, 0xC1, 0x92),
)
"""Of frames: whole ones and fragments, control frames, and what no frame begins with."""

CONTROLS = (
    *(frame(b"", 0x89), frame(b"?", 0x89), frame(b"17", 0x8A), frame(b"9" * 25, 0x8A)),
    *(frame(b"", 0x88), frame(b"\x03\xe8", 0x88), frame(b"\x03\xe8bye", 0x88)),
    *(frame(b"\x00", 0x88), frame(b"\xff\xff", 0x88), frame(b"\x03\xe8\xff", 0x88)),
)
"""Control frames: pings, pongs and close frames, right ones and wrong ones."""

"""A websocket client of raw frames: sends several in one write, and answers only on request."""

from __future__ import annotations

import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.support.client import V1, to_v1
from tests.support.raw_http import Answer, RawHttp, raw_http

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(payload: bytes, opcode: int = BINARY, *, fin: bool = True) -> bytes:
    """Return one frame as a client sends it, masked."""
    return masked(payload, opcode | 0x80 * fin, os.urandom(4))


def masked(payload: bytes, first: int, mask: bytes) -> bytes:
    """Return one frame with that first byte and that mask."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 2**16:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    keys = (mask * (length // 4 + 1))[:length]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return head + mask + hidden.to_bytes(length, "big")


def unmasked(payload: bytes, opcode: int = BINARY, *, fin: bool = True) -> bytes:
    """Return a large frame with a mask of zeros, which is cheap to make."""
    head = struct.pack("!BBQ", opcode | 0x80 * fin, 0x80 | 127, len(payload))
    return head + bytes(4) + payload


def message(sent: dict[str, Any]) -> bytes:
    """Return the frame of a message in the format v1."""
    return frame(to_v1(sent))


def fragments(sent: dict[str, Any], number: int = 3) -> list[bytes]:
    """Return the frames of a message that is sent in ``number`` pieces."""
    payload = to_v1(sent)
    size = len(payload) // number + 1
    pieces = [payload[n : n + size] for n in range(0, len(payload), size)]
    opcodes = [BINARY, *[CONTINUATION] * (len(pieces) - 1)]
    return [
        frame(piece, opcode, fin=n == len(pieces))
        for n, (piece, opcode) in enumerate(zip(pieces, opcodes, strict=True), 1)
    ]


def close_frame(code: int = 1000) -> bytes:
    return frame(struct.pack("!H", code), CLOSE)


class Listening(Protocol):
    """A w2z: where it listens, and the URL of a session's websocket."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def url(self, session_id: str | None = None) -> str: ...


class RawWebsocket:
    """A websocket on which only the test sends and reads frames."""

    def __init__(self, http: RawHttp) -> None:
        self.http = http

    async def send(self, *frames: bytes) -> None:
        """Send the frames in one write."""
        await self.http.send(b"".join(frames))

    async def control(self, opcode: int) -> bytes:
        """Return the data of the next control frame with that opcode; skip all others."""
        found, data = await self.http.control_frame()
        while found != opcode:
            found, data = await self.http.control_frame()
        return data

    async def closed_with(self) -> int:
        """Wait for w2z's close frame, and return its code."""
        return int.from_bytes((await self.control(CLOSE))[:2], "big")

    async def until_data(self, *needles: bytes) -> None:
        """Read until each of ``needles`` has been in a data frame. Answers pings."""
        missing = set(needles)
        while missing:
            opcode, data = await self.http.frame()
            if opcode == PING:
                await self.send(frame(data, PONG))
            elif opcode in (TEXT, BINARY):
                missing = {needle for needle in missing if needle not in data}

    async def acknowledge(self) -> None:
        """Answer the next ping, so that w2z knows that everything sent before it has arrived."""
        await self.send(frame(await self.control(PING), PONG))
        await self.is_read()

    async def is_read(self) -> None:
        """Wait until w2z has read all frames that were sent."""
        await self.send(frame(b"read?", PING))
        assert await self.control(PONG) == b"read?"


async def upgrade(http: RawHttp, url: str, *headers: str) -> Answer:
    """Ask for a websocket at ``url``; return the answer."""
    parts = urlsplit(url)
    return await http.ask(
        f"GET {parts.path}?{parts.query}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        *headers,
    )


@asynccontextmanager
async def raw_websocket(
    served: Listening, session_id: str | None = "a", wire: str = "v1"
) -> AsyncIterator[RawWebsocket]:
    """Open a websocket in the format ``wire``: "v1" or "default"."""
    subprotocol = (f"Sec-WebSocket-Protocol: {V1}",) if wire == "v1" else ()
    async with raw_http(served.host, served.port) as http:
        answer = await upgrade(http, served.url(session_id), *subprotocol)
        assert answer.status == 101, answer
        yield RawWebsocket(http)

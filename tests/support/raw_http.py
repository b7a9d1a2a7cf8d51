"""An HTTP client that sends raw bytes, also requests that no library would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawHttp:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, has_body: bool = True) -> Answer:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0")) if has_body else 0
        chunked = headers.get("transfer-encoding") == "chunked"
        body = await (self._chunks() if chunked else self.reader.readexactly(length))
        return Answer(int(first.split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        """Read a chunked body. w2z itself sends none."""
        body = b""
        while size := int((await self.reader.readline()).strip(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def ask(
        self, request: str, *lines: str, body: bytes = b"", host: str = "localhost"
    ) -> Answer:
        head = "\r\n".join([f"{request} HTTP/1.1", f"Host: {host}", *lines, "", ""])
        await self.send(head.encode("latin-1") + body)
        return await self.answer(has_body=not request.startswith("HEAD"))

    async def frame(self) -> tuple[int, bytes]:
        """Read the next websocket frame; return its opcode and data."""
        first, length = await self.reader.readexactly(2)
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(await self.reader.readexactly(size), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def control_frame(self) -> tuple[int, bytes]:
        """Read up to the next websocket control frame; return its opcode and data."""
        opcode, data = await self.frame()
        while not opcode & 0x08:
            opcode, data = await self.frame()
        return opcode, data

    async def is_closed(self) -> bool:
        return await self.reader.read() == b""


@asynccontextmanager
async def raw_http(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawHttp]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        yield RawHttp(reader, writer)
    finally:
        writer.close()
        # Some tests make the server cut the connection.
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

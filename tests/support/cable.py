"""A network that can fail: TCP connections through here can be cut, or lose what one end sends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit


class Cable:
    """Carries connections from ``url`` to a port of this machine."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ends: set[asyncio.StreamWriter] = set()
        self._servers: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._is_down = False
        self.url = ""

    def cut(self) -> None:
        """Abort every connection there is; new ones are made as before."""
        for end in self._ends:
            end.transport.abort()

    def lose_answers(self) -> None:
        """Lose what the server sends from now on, on every connection there is; new ones work."""
        self._deaf = {end for end in self._ends if end not in self._servers}

    @contextmanager
    def down(self) -> Iterator[None]:
        """Abort every connection there is, and every new one until the end of this."""
        self._is_down = True
        self.cut()
        try:
            yield
        finally:
            self._is_down = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        if self._is_down:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        ends = {writer, there_writer}
        self._ends |= ends
        self._servers.add(there_writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._copy(reader, there_writer))
                tasks.create_task(self._copy(there_reader, writer))
        finally:
            self._ends -= ends
            self._servers -= ends
            self._deaf -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if writer not in self._deaf:
                    writer.write(data)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[Cable]:
    """A cable to the server at ``url``."""
    there = urlsplit(url)
    assert there.hostname is not None
    assert there.port is not None
    made = Cable(there.hostname, there.port)
    async with await asyncio.start_server(made.carry, there.hostname, 0) as server:
        port = server.sockets[0].getsockname()[1]
        made.url = there._replace(netloc=f"{there.hostname}:{port}").geturl()
        try:
            yield made
        finally:
            made.cut()

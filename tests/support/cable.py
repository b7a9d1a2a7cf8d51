"""A network that can fail: a test can cut, stall or lose the data of TCP connections."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PIECE = 65536
"""The most bytes read at once."""


class Way(enum.Flag):
    """A direction, or both."""

    TO_SERVER = enum.auto()
    TO_CLIENT = enum.auto()
    BOTH = TO_SERVER | TO_CLIENT


@dataclass
class _Lane:
    """How the data of one direction is carried."""

    moves: asyncio.Event = field(default_factory=asyncio.Event)
    vanishes: bool = False
    delay: float = 0
    rate: float | None = None
    """Bytes a second; ``None``: no limit."""

    def __post_init__(self) -> None:
        self.moves.set()


class Cable:
    """Carries connections from ``url`` to the server at ``host`` and ``port``.

    A change of a direction holds for present and future connections, until it is undone.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ends: set[asyncio.StreamWriter] = set()
        self._servers: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.Task[None]] = set()
        self._lanes = {Way.TO_SERVER: _Lane(), Way.TO_CLIENT: _Lane()}
        self._is_down = False
        self._passed = asyncio.Event()
        self.url = ""

    def cut(self) -> None:
        """Abort all connections; new ones are carried as before."""
        for end in self._ends:
            end.transport.abort()
        for task in self._carrying:
            task.cancel()

    async def carried(self, count: int) -> None:
        """Wait until ``count`` pieces of data have been carried from now on, in any direction."""
        for _ in range(count):
            self._passed.clear()
            await self._passed.wait()

    def lead_to(self, port: int) -> None:
        """Carry new connections to another port of the same host."""
        self._port = port

    async def end(self) -> None:
        """Abort every connection for good, and wait until none of them is carried any more."""
        self._is_down = True
        self.cut()
        while self._open:
            await asyncio.wait(self._open)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Abort all connections, and every new one until the end of the block."""
        self._is_down = True
        self.cut()
        try:
            yield
        finally:
            self._is_down = False

    def stall(self, way: Way = Way.BOTH) -> None:
        """Carry nothing from now on; data that comes waits."""
        for lane in self._chosen(way):
            lane.moves.clear()

    def resume(self, way: Way = Way.BOTH) -> None:
        """Carry again, beginning with the data that waits."""
        for lane in self._chosen(way):
            lane.moves.set()

    def lose(self, way: Way) -> None:
        """Drop the data that comes, and the ends of connections, too; the connections stay."""
        for lane in self._chosen(way):
            lane.vanishes = True

    def lose_answers(self) -> None:
        """Drop what the server sends from now on over the present connections; new ones work."""
        self._deaf = self._ends - self._servers

    def delay(self, seconds: float, way: Way = Way.BOTH) -> None:
        """Delay all data by ``seconds``, in order and at the same rate."""
        for lane in self._chosen(way):
            lane.delay = seconds

    def limit(self, rate: float | None, way: Way = Way.BOTH) -> None:
        """Carry ``rate`` bytes a second of each connection; ``None``: no limit."""
        for lane in self._chosen(way):
            lane.rate = rate

    def mend(self) -> None:
        """Carry everything at once again. Better cut a connection whose data was dropped."""
        for lane in self._lanes.values():
            lane.vanishes, lane.delay, lane.rate = False, 0, None
            lane.moves.set()

    def _chosen(self, way: Way) -> list[_Lane]:
        return [lane for one, lane in self._lanes.items() if one in way]

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._carry(reader, writer)
        finally:
            self._open.remove(task)

    def _refuses(self, *ends: asyncio.StreamWriter) -> bool:
        """Abort these ends if no connection is carried now; return whether none is."""
        if self._is_down:
            for end in ends:
                end.transport.abort()
        return self._is_down

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses(writer):
            return
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        if self._refuses(writer, there_writer):  # since then
            return
        ends = {writer, there_writer}
        self._servers.add(there_writer)
        to_server, to_client = self._lanes.values()
        copies: set[asyncio.Task[None]] = set()
        self._ends |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                copies = {
                    tasks.create_task(self._copy(reader, there_writer, to_server)),
                    tasks.create_task(self._copy(there_reader, writer, to_client)),
                }
                self._carrying |= copies
        finally:
            self._ends -= ends
            self._servers -= ends
            self._deaf -= ends
            self._carrying -= copies
            for end in ends:
                end.close()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: _Lane
    ) -> None:
        """Read data as it comes, and hand it on when its delay is over."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(4)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_on(under_way, writer, lane))
            await _take(reader, under_way, lane)

    async def _hand_on(
        self,
        under_way: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        lane: _Lane,
    ) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await under_way.get()
            await lane.moves.wait()
            if due > now():
                await asyncio.sleep(due - now())
            if lane.vanishes or writer in self._deaf:
                if not data:
                    return
                continue
            if not data:
                break
            if lane.rate is not None:
                await asyncio.sleep(len(data) / lane.rate)
            with contextlib.suppress(ConnectionError):
                writer.write(data)
                self._passed.set()
                await writer.drain()
        # The other direction may have more to carry.
        with contextlib.suppress(OSError):
            writer.write_eof()


async def _take(
    reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]], lane: _Lane
) -> None:
    now = asyncio.get_running_loop().time
    data = b"something"
    while data:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = await reader.read(PIECE)
        await under_way.put((now() + lane.delay, data))


@asynccontextmanager
async def cable(url: str) -> AsyncIterator[Cable]:
    """Open a cable to the server at ``url``."""
    there = urlsplit(url)
    assert there.port is not None
    assert there.hostname is not None
    made = Cable(there.hostname, there.port)
    async with await asyncio.start_server(made.carry, there.hostname, 0) as server:
        port = server.sockets[0].getsockname()[1]
        made.url = there._replace(netloc=f"{there.hostname}:{port}").geturl()
        try:
            yield made
        finally:
            await made.end()

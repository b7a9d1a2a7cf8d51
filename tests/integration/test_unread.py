"""HTTP peers that ask and do not read what is answered: memory stays bounded, and so does time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.test_http import UPGRADE
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import RawHttp, raw_http
from tests.support.serving import TOKEN, Served, retime, serving
from w2z.server.app import Admitted, App
from w2z.server.backpressure import Reason
from w2z.server.connections import Connection
from w2z.server.request import Request, Response
from w2z.server.unsent import LOOKS

AUTH = f"Authorization: token {TOKEN}"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ask(line: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {line} HTTP/1.1", "Host: localhost", AUTH, *lines, "", ""]).encode()


@dataclass
class Unread:
    """A peer that reads nothing until it is told to, and w2z's side of its connection."""

    peer: RawHttp
    connection: Connection
    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    """w2z has stopped reading from it for that."""

    def __post_init__(self) -> None:
        self.peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        self._hold(4096)
        stop = self.connection.reading.stop

        def notice(reason: Reason) -> None:
            stop(reason)
            if reason is Reason.PEER_READS_NOTHING:
                self.noticed.set()

        self.connection.reading.stop = notice  # type: ignore[method-assign]

    def _hold(self, size: int) -> None:
        """Let the network between them hold so much, about."""
        theirs = self.peer.writer.get_extra_info("socket")
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        ours = self.connection.transport.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    @property
    def left(self) -> int:
        """Bytes that w2z has yet to get rid of."""
        return self.connection.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        self.peer.writer.write(data)

    def read(self) -> None:
        """From now on it reads."""
        self._hold(2**20)
        self.peer.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def take(self) -> None:
        """Take a little of what is there, so that w2z notices."""
        before = self.left
        while self.left == before:
            with contextlib.suppress(BlockingIOError):
                os.read(self.peer.writer.get_extra_info("socket").fileno(), 1000)
            await asyncio.sleep(0)


@asynccontextmanager
async def unread(served: Served) -> AsyncIterator[Unread]:
    async with raw_http(served.host, served.port) as peer:
        while not len(served.connections):
            await asyncio.sleep(0)
        [connection] = served.connections
        try:
            yield Unread(peer, connection)
        finally:
            peer.writer.transport.abort()


async def is_gone(served: Served) -> None:
    await served.connections._all_closed.wait()


async def test_who_does_not_read_is_not_answered_any_more(served: Served) -> None:
    async with unread(served) as other:
        other.write(LIVEZ * 400_000)
        await other.noticed.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert other.connection.reading.is_stopped
        assert other.left < 100_000
        assert other.peer.writer.transport.get_write_buffer_size() > 0, "nor is it read from"


async def test_who_takes_nothing_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    retime(served, unread=0.05)
    async with unread(served) as other:
        other.write(LIVEZ * 20_000)
        await is_gone(served)


@pytest.fixture
def much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer is longer than what is on its way at once."""

    async def answer(self: object, request: Request, admitted: Admitted) -> Response:
        return Response(200, b"x" * 1_000_000)

    monkeypatch.setattr("w2z.server.app.App.answer", answer)


@pytest.mark.usefixtures("much")
@pytest.mark.parametrize("is_above_high_water", [False, True])
async def test_who_closes_and_does_not_read_is_let_go(
    served: Served, is_above_high_water: bool
) -> None:
    retime(served, unread=0.05)
    async with unread(served) as other:
        if not is_above_high_water:
            other.connection.transport.set_write_buffer_limits(10**9)
        other.write(ask("/api", "Connection: close"))
        await is_gone(served)


@pytest.mark.usefixtures("much")
@pytest.mark.parametrize("lines", [(), ("Connection: close",)])
async def test_who_takes_anything_may_go_on(
    served: Served, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...]
) -> None:
    """The clock is the test's: the deadline passes when it says so."""
    retime(served, unread=7.5)
    deadlines: list[Callable[[], None]] = []

    def set_timer(self: Connection, seconds: float | None, action: Any = None) -> None:
        if seconds == 7.5:
            deadlines.append(action)

    async with unread(served) as other:
        monkeypatch.setattr(Connection, "set_timer", set_timer)
        other.write(ask("/api", *lines))
        await other.noticed.wait()
        for _ in range(3):
            await other.take()
            deadlines[-1]()
        assert other.left > 0, "it was not cut"
        for _ in range(3):
            deadlines[-1]()
        await is_gone(served)


@pytest.mark.usefixtures("much")
async def test_who_takes_little_of_the_last_answer_may_not_go_on_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    retime(served, unread=7.5)
    deadlines: list[Callable[[], None]] = []

    def set_timer(self: Connection, seconds: float | None, action: Any = None) -> None:
        if seconds == 7.5:
            deadlines.append(action)

    async with unread(served) as other:
        monkeypatch.setattr(Connection, "set_timer", set_timer)
        other.write(ask("/api", "Connection: close"))
        await other.noticed.wait()
        for _ in range(LOOKS):
            await other.take()
            deadlines[-1]()
        await is_gone(served)


async def test_who_has_read_is_waited_for_no_longer_than_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some event loops tell late that a peer does not read."""
    monkeypatch.setattr("w2z.server.http_connection.STRANGERS_KEEP_ALIVE", 0.05)
    async with raw_http(served.host, served.port) as peer:
        assert (await peer.ask("GET /livez")).status == 200
        [connection] = served.connections
        connection.pause_writing()
        connection.resume_writing()
        assert await peer.is_closed()


@pytest.mark.parametrize("is_cut_off", [False, True])
async def test_who_reads_late_gets_every_answer_in_order(served: Served, is_cut_off: bool) -> None:
    count = 800
    async with unread(served) as other:
        for number in range(count):
            other.write(ask(f"/api/kernels/{number}"))
        if is_cut_off:
            other.peer.writer.write_eof()
        await other.noticed.wait()
        other.read()
        for number in range(count):
            answer = await other.peer.answer()
            assert answer.status == 404
            assert answer.json["message"] == f"Kernel does not exist: {number}"
        if is_cut_off:
            assert await other.peer.is_closed()
        else:
            assert (await other.peer.ask("GET /livez")).status == 200


async def test_a_websocket_behind_answers_that_were_not_read_opens_after_them(
    served: Served,
) -> None:
    count = 2000
    async with unread(served) as other:
        other.write(LIVEZ * count + ask("/channels?session_id=a", *UPGRADE))
        await other.noticed.wait()
        assert served.bridge.clients.connections == 0
        other.read()
        statuses = [(await other.peer.answer()).status for _ in range(count + 1)]
        assert statuses == [200] * count + [101]
        assert served.bridge.clients.connections == 1


@pytest.mark.usefixtures("much")
async def test_a_websocket_of_a_peer_that_does_not_read_is_slow_from_the_start(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to its handshake is what is too much."""
    admit = App.admit

    async with unread(served) as other:

        def admit_at_the_brim(self: App, request: Request) -> Admitted:
            admitted = admit(self, request)
            if admitted.websocket is not None:
                other.connection.transport.set_write_buffer_limits(other.left)
            return admitted

        monkeypatch.setattr(App, "admit", admit_at_the_brim)
        other.connection.transport.set_write_buffer_limits(10**9)
        other.write(ask("/api") + ask("/channels?session_id=a", *UPGRADE))
        while not served.bridge.clients.connections:
            await asyncio.sleep(0)
        [client] = served.bridge.clients
        assert not client.writable
        other.read()
        while not client.writable:
            await other.peer.reader.read(2**20)


async def test_the_end_of_w2z_does_not_wait_for_who_does_not_read(
    kernel: FakeKernel,
) -> None:
    async with serving(kernel.connection_file) as served, unread(served) as other:
        other.write(LIVEZ * 20_000)
        await other.noticed.wait()
        await served.connections.close(0.05)
        assert len(served.connections) == 0


async def test_nothing_behind_a_refused_upgrade_is_looked_at(served: Served) -> None:
    """A proxy that takes it for accepted would pass on whatever its client sends."""
    async with raw_http(served.host, served.port) as peer:
        refused = b"GET /channels HTTP/1.1\r\nHost: localhost\r\n" + "\r\n".join(UPGRADE).encode()
        peer.writer.write((refused + b"\r\n\r\n") * 1000 + LIVEZ)
        assert (await peer.answer()).status == 401
        assert await peer.is_closed()
    assert served.bridge.reports.defects == 0


@pytest.mark.parametrize("line", ["GET /livez", "HEAD /api", "GET /nothing", "OPTIONS /api"])
async def test_an_answer_is_one_write(
    served: Served, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_http(served.host, served.port) as peer:
        await peer.ask("GET /api")
        [connection] = served.connections
        kind, written = type(connection.transport), []
        original = kind.write

        def write(self: asyncio.Transport, data: bytes) -> None:
            if self is connection.transport:
                written.append(data)
            original(self, data)

        monkeypatch.setattr(kind, "write", write)
        answer = await peer.ask(line)
        assert len(written) == 1
        assert bytes(written[0]).endswith(answer.body)

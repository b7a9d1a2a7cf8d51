"""How connections live and end: keepalive, shutdown, peers that vanish."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import raw_http
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import until

PING, CLOSE = 0x9, 0x8
HANDSHAKE = (
    f"GET /channels?token={TOKEN}&session_id=%s HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


async def test_pings_keep_a_silent_connection_open(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, ping_interval=0.05, ping_timeout=0.2) as served,
        raw_http(served.host, served.port) as peer,
    ):
        await peer.send((HANDSHAKE % "a").encode())
        assert (await peer.answer(has_body=False)).status == 101
        for _ in range(5):
            opcode, position = await peer.control_frame()
            assert (opcode, position.isdigit()) == (PING, True)
            await peer.send(bytes([0x8A, 0x80 | len(position), 0, 0, 0, 0]) + position)
        assert served.bridge.clients.connections == 1


async def test_a_peer_that_answers_no_ping_is_let_go(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, ping_interval=0.05, ping_timeout=0.1) as served,
        raw_http(served.host, served.port) as peer,
    ):
        await peer.send((HANDSHAKE % "a").encode())
        await peer.answer(has_body=False)
        assert (await peer.control_frame())[0] == PING
        opcode, data = await peer.control_frame()
        assert (opcode, int.from_bytes(data[:2], "big")) == (CLOSE, 1011)
        assert await peer.is_closed()
        assert served.bridge.clients.connections == 0


async def test_a_client_held_back_by_the_kernel_is_not_taken_for_dead(kernel: FakeKernel) -> None:
    kernel.reads_shell.clear()
    async with (
        serving(kernel.connection_file, ping_interval=0.05, ping_timeout=0.05) as served,
        open_client(served.url("a"), "v1", ping_interval=None) as client,
        open_client(served.url("b"), "v1", ping_interval=None) as other,
        asyncio.TaskGroup() as tasks,
    ):

        async def send_much() -> None:
            for _ in range(200):
                await client.send(request("execute_request", {"code": "x" * 500_000}))

        sending = tasks.create_task(send_much())
        for _ in range(10):
            await other.send(request("ping", {}, channel="hb"))
            await other.until("ping")
            await _turns()
        assert not sending.done()
        kernel.reads_shell.set()
        for _ in range(200):
            await kernel.received.get()
        await sending
        assert served.bridge.clients.connections == 2


async def _turns() -> None:
    """Let at least one ping timeout of the test above go by."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.06, passed.set)
    await passed.wait()


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_shutdown_closes_clients_with_1012(kernel: FakeKernel, wire: str) -> None:
    async with AsyncExitStack() as clients:
        async with serving(kernel.connection_file) as served:
            client = await clients.enter_async_context(open_client(served.url("a"), wire))
            idle = await clients.enter_async_context(raw_http(served.host, served.port))
            await idle.ask("GET /api")
        assert (await client.closed())[0] == 1012
        assert await idle.is_closed()


async def test_shutdown_does_not_wait_for_a_peer_that_reads_nothing(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.server.connections.SHUTDOWN_TIMEOUT", 0.1)
    async with AsyncExitStack() as peers:
        async with serving(kernel.connection_file) as served:
            peer = await peers.enter_async_context(raw_http(served.host, served.port))
            await peer.send((HANDSHAKE % "a").encode())
            await peer.answer(has_body=False)
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_a_request_under_way_is_answered_before_the_end(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow_answer(self: object, request: object) -> object:
        from w2z.server.request import Response

        begun.set()
        await go_on.wait()
        return Response(200, b"done")

    monkeypatch.setattr("w2z.server.app.App.answer", slow_answer)
    async with AsyncExitStack() as peers, asyncio.TaskGroup() as tasks:
        async with serving(kernel.connection_file) as served:
            peer = await peers.enter_async_context(raw_http(served.host, served.port))
            asking = tasks.create_task(peer.ask("GET /api"))
            await begun.wait()
            asyncio.get_running_loop().call_soon(go_on.set)
        answer = await asking
        assert (answer.status, answer.headers["connection"]) == (200, "close")


async def test_a_peer_that_vanishes_is_forgotten(served: Served, kernel: FakeKernel) -> None:
    async with raw_http(served.host, served.port) as peer:
        await peer.send((HANDSHAKE % "").encode())
        await peer.answer(has_body=False)
        assert served.bridge.clients.connections == 1
        peer.writer.transport.abort()
        await until(lambda: not served.bridge.clients.connections, "the connection is forgotten")
    assert served.bridge.clients.sessions == 0


async def test_a_normal_close_is_answered(served: Served) -> None:
    async with open_client(served.url("a"), "v1") as client:
        await client.websocket.close(1000, "bye")
        assert await client.closed() == (1000, "bye")
    await until(lambda: not served.bridge.clients.connections, "the connection is forgotten")

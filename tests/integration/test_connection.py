"""How connections live and end: keepalive, shutdown, peers that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import raw_http
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import until
from w2z.kernel.process.specs import InstalledSpecs
from w2z.server.access.policy import AccessPolicy
from w2z.server.app import App
from w2z.server.listener import Listener

PING, CLOSE = 0x9, 0x8
HANDSHAKE = (
    f"GET /channels?token={TOKEN}&session_id=%s HTTP/1.1\r\nHost: localhost\r\n"
    "Upgrade: websocket\r\n"
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
        while opcode == PING:
            opcode, data = await peer.control_frame()
        assert (opcode, int.from_bytes(data[:2], "big")) == (CLOSE, 1011)
        assert await peer.is_closed()
        assert served.bridge.clients.connections == 0


async def test_a_client_held_back_by_the_kernel_is_not_taken_for_dead(kernel: FakeKernel) -> None:
    kernel.reads_shell.clear()
    async with (
        serving(kernel.connection_file, ping_interval=0.05, ping_timeout=0.5) as served,
        open_client(served.url("a"), "v1", ping_interval=None) as client,
        open_client(served.url("b"), "v1", ping_interval=None) as other,
        asyncio.TaskGroup() as tasks,
    ):

        async def send_much() -> None:
            for _ in range(200):
                await client.send(request("execute_request", {"code": "x" * 500_000}))

        sending = tasks.create_task(send_much())
        for _ in range(3):
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
    asyncio.get_running_loop().call_later(0.6, passed.set)
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


async def test_shutdown_does_not_wait_for_a_peer_that_reads_nothing(kernel: FakeKernel) -> None:
    async with AsyncExitStack() as peers:
        async with serving(kernel.connection_file, closes_within=0.1) as served:
            peer = await peers.enter_async_context(raw_http(served.host, served.port))
            await peer.send((HANDSHAKE % "a").encode())
            await peer.answer(has_body=False)
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_a_request_under_way_is_answered_before_the_end(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow_answer(self: object, *asked: object) -> object:
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


async def never(self: object, *asked: object) -> object:
    """Stands for an answer that takes longer than anybody waits."""
    await asyncio.Event().wait()
    return None


async def stubborn(self: object, *asked: object) -> object:
    """The same, and it does not even let itself be cancelled at once."""
    for _ in range(3):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    return None


@pytest.mark.parametrize("answer", [never, stubborn])
@pytest.mark.parametrize("peer", ["waits", "is gone"])
async def test_the_end_does_not_wait_for_an_answer_that_takes_too_long(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, answer: Any, peer: str
) -> None:
    begun = asyncio.Event()

    async def answer_it(self: object, *asked: object) -> object:
        begun.set()
        return await answer(self, *asked)

    monkeypatch.setattr("w2z.server.app.App.answer", answer_it)
    async with AsyncExitStack() as peers:
        async with serving(kernel.connection_file, closes_within=0.05) as served:
            asking = await peers.enter_async_context(raw_http(served.host, served.port))
            await asking.send(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await begun.wait()
            if peer == "is gone":
                asking.writer.transport.abort()
        if peer == "waits":
            assert await asking.is_closed()


async def test_a_restart_cut_short_by_the_end_leaves_the_keeper_as_it_was(
    kernel: FakeKernel,
) -> None:
    """The listener ends alone here: the kernel, which did not end, is served by another one."""
    async with (
        serving(kernel.connection_file) as served,
        open_client(served.url("a"), "v1") as client,
        AsyncExitStack() as peers,
    ):
        await served.bridge.kernel.wait_ready(60)
        gate = AccessPolicy(lambda: TOKEN)
        app = App(
            served.settings,
            served.bridge,
            served.keeper,
            gate,
            lambda: None,
            specs=InstalledSpecs(),
        )
        async with Listener(app, closes_within=0.05) as listener:
            peer = await peers.enter_async_context(raw_http(*listener.address))
            await peer.send(
                b"POST /api/kernels/the-kernel/restart HTTP/1.1\r\nHost: localhost\r\n"
                b"Authorization: token %b\r\nContent-Length: 0\r\n\r\n" % TOKEN.encode()
            )
            _, message = await kernel.received.get()
            assert json.loads(message.header)["msg_type"] == "shutdown_request"
            assert served.keeper.restarting.locked()
        assert not served.keeper.restarting.locked()
        # Nobody waits for another kernel any more: the one that is there takes requests again.
        await client.send(request("execute_request", {"code": "1"}))
        _, message = await kernel.received.get()
        assert json.loads(message.header)["msg_type"] == "execute_request"
        assert served.bridge.kernel.is_ready


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

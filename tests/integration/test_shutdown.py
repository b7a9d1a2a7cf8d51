"""w2z ends when it is told to, whatever it has been asked and not answered yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import AUTH, ONE, ready, rest_of, within
from tests.support.raw_http import RawHttp, raw_http
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.message import Message
from w2z.timing import Timing

SOON = QUICK


class Run:
    """w2z, to be ended in the middle of a test, and connections that outlive it."""

    def __init__(self, served: Served, peers: AsyncExitStack, leaving: AsyncExitStack) -> None:
        self.served = served
        self._peers = peers
        self._leaving = leaving

    async def connect(self) -> RawHttp:
        coming = raw_http(self.served.host, self.served.port)
        return await self._peers.enter_async_context(coming)

    async def ask(self, line: str) -> RawHttp:
        """Ask over a connection of its own, and do not wait for the answer."""
        peer = await self.connect()
        head = (f"{line} HTTP/1.1", "Host: localhost", AUTH, "Content-Length: 0", "", "")
        await peer.send("\r\n".join(head).encode())
        # What comes later over another connection is answered: w2z has got this one, too.
        other = await self.connect()
        assert (await other.ask("GET /livez")).status == 200
        return peer

    async def end(self, seconds: float) -> None:
        async with within(seconds, "the end of w2z"):
            await self._leaving.aclose()


@asynccontextmanager
async def running(
    kernel: FakeKernel, timing: Timing = SOON, *, is_ready: bool = True, **settings: Any
) -> AsyncIterator[Run]:
    """What is under way has a fifth of a second at the end, unless told otherwise."""
    settings = {"closes_within": 0.2, **settings}
    async with AsyncExitStack() as peers, AsyncExitStack() as leaving:
        coming = serving(kernel.connection_file, timing=timing, **settings)
        served = await leaving.enter_async_context(coming)
        if is_ready:
            async with rest_of(served) as rest:
                await ready(rest)
        yield Run(served, peers, leaving)


async def ended(peer: RawHttp) -> bytes:
    """Wait for the end of the connection; what was said before."""
    async with within(2, "the end of the connection of a request that was under way"):
        with contextlib.suppress(ConnectionError):
            return await peer.reader.read()
    return b""


async def say_nothing(identity: bytes, asked: Message) -> None:
    """As a kernel that is held up before it has begun."""


async def go(kernel: FakeKernel) -> None:
    """Promise to end, and never come back."""
    identity, message = await kernel.received.get()
    await kernel.reply(identity, message, "shutdown_reply", {"status": "ok", "restart": True})


async def keep_silent(kernel: FakeKernel) -> None:
    """Take the question, and do not answer it."""
    await kernel.received.get()


@pytest.mark.parametrize(
    ("line", "then", "settings"),
    [
        (f"POST {ONE}/restart", go, {}),
        (f"POST {ONE}/restart", keep_silent, {}),
        (f"POST {ONE}/interrupt", keep_silent, {"interrupt_mode": "message"}),
        (f"DELETE {ONE}", go, {"on_delete": "restart"}),
        (f"DELETE {ONE}", keep_silent, {"on_delete": "stop"}),
    ],
    ids=["restart", "restart of a silent one", "interrupt", "delete, restart", "delete, stop"],
)
async def test_the_end_does_not_wait_for_a_kernel_that_does_not_do_what_was_asked(
    kernel: FakeKernel, line: str, then: Any, settings: dict[str, Any]
) -> None:
    async with running(kernel, **settings) as w2z:
        peer = await w2z.ask(line)
        await then(kernel)
        await w2z.end(2)
        await ended(peer)


@pytest.mark.parametrize("path", ["", "/fake"])
async def test_the_end_does_not_wait_for_a_kernel_that_does_not_say_what_it_is(
    kernel: FakeKernel, path: str
) -> None:
    kernel.on_kernel_info = say_nothing
    async with running(kernel, is_ready=False) as w2z:
        peer = await w2z.ask(f"GET /api/kernelspecs{path}")
        await w2z.end(2)
        await ended(peer)


async def test_many_requests_under_way_do_not_add_up(kernel: FakeKernel) -> None:
    async with running(kernel, interrupt_mode="message") as w2z:
        lines = [f"POST {ONE}/restart", f"POST {ONE}/interrupt", "GET /api/kernelspecs"]
        peers = [await w2z.ask(line) for line in lines * 5]
        await kernel.received.get()
        await w2z.end(2)
        for peer in peers:
            await ended(peer)


async def test_clients_are_told_while_a_request_is_under_way(kernel: FakeKernel) -> None:
    async with running(kernel) as w2z, open_client(w2z.served.url("a"), "v1") as client:
        peer = await w2z.ask(f"POST {ONE}/restart")
        await go(kernel)
        await w2z.end(2)
        assert (await client.closed())[0] == 1012
        await ended(peer)


async def test_it_ends_in_the_times_that_it_has_by_itself(kernel: FakeKernel) -> None:
    """Three seconds for what is under way; a container has ten for everything."""
    own = QUICK
    async with running(kernel, own, closes_within=None) as w2z:
        peer = await w2z.ask(f"POST {ONE}/restart")
        await go(kernel)
        await w2z.end(4)
        await ended(peer)


async def test_a_kernel_that_comes_back_in_time_is_told_before_the_end(
    kernel: FakeKernel,
) -> None:
    """What can still be answered is."""
    async with running(kernel, QUICK, closes_within=None) as w2z, asyncio.TaskGroup() as tasks:
        peer = await w2z.ask(f"POST {ONE}/restart")
        await go(kernel)
        ending = tasks.create_task(w2z.end(3))
        await asyncio.wait([ending], timeout=0)
        kernel.session = "another"
        assert (await peer.answer()).status == 200
        await ending


# What is looked up in a process of its own.


async def test_a_websocket_that_does_not_answer_and_a_request_under_way_do_not_add_up(
    kernel: FakeKernel,
) -> None:
    timing = SOON
    async with running(kernel, timing) as w2z, open_client(w2z.served.url("a"), "v1") as client:
        await client.send(request("odd_request"))
        await kernel.received.get()
        client.websocket.transport.pause_reading()
        peer = await w2z.ask(f"POST {ONE}/restart")
        await go(kernel)
        await w2z.end(2)
        client.websocket.transport.abort()
        await ended(peer)

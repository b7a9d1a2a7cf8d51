"""From the signal to the end: what is under way, and who does not answer, does not make it longer.

Container platforms grant ten seconds, after which everything is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_attach_ends import w2z_to_end
from tests.e2e.test_launch_end import make_deaf, time_to_end
from tests.support.attaching import kernel_at, place
from tests.support.client import eager_client, execute_request
from tests.support.processes import TOKEN, Process, W2z, launched, running
from tests.support.raw_http import RawHttp, raw_http
from tests.support.rest import Rest
from tests.support.watching import Watch, watching

BUDGET = 9.0
"""Seconds that are never exceeded: below Docker's ten."""

PENDING = (
    "GET /api/kernelspecs",
    "GET /api/kernelspecs/python3",
    "POST /api/kernels/the-kernel/restart",
    "POST /api/kernels/the-kernel/interrupt",
)
ID = ("--kernel-id", "the-kernel")

UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
)


@asynccontextmanager
async def connection(served: W2z) -> AsyncIterator[RawHttp]:
    host, _, port = served.url.strip("/").rpartition("/")[2].partition(":")
    async with raw_http(host, int(port)) as http:
        yield http


@asynccontextmanager
async def stubborn_peers(served: W2z) -> AsyncIterator[None]:
    """Connections whose other end does nothing any more: it reads no byte, and says no word."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connection(served)) for _ in range(4)]
        silent, websocket, half_a_head, half_a_body = peers
        assert (await websocket.ask(f"GET /channels?token={TOKEN}", *UPGRADE)).status == 101
        assert (await silent.ask("GET /livez")).status == 200
        await half_a_head.send(b"GET /api/kernels HTTP/1.1\r\nHost: x\r\n")
        await half_a_body.send(
            f"POST /api/kernels HTTP/1.1\r\nHost: x\r\nAuthorization: token {TOKEN}\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        yield


async def over(rest: Rest, line: str) -> None:
    """Ask, and wait for an answer of any kind, or for the end of the connection."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await rest.ask(line)


@asynccontextmanager
async def under_way(served: W2z, *lines: str) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Requests that w2z has begun to work on, until each is over."""
    async with AsyncExitStack() as stack:
        asking = [await stack.enter_async_context(served.rest()) for _ in lines]
        last = await stack.enter_async_context(served.rest())
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        pairs = zip(asking, lines, strict=True)
        asked = [tasks.create_task(over(rest, line)) for rest, line in pairs]
        # By the second answer w2z has read what was sent before the first.
        for _ in range(2):
            assert (await last.ask("GET /livez")).status == 200
        yield asked


async def hold(watch: Watch, asked: asyncio.Task[None]) -> None:
    """Stop the process that w2z starts for this request, if it starts any before it answers."""
    while not (watch.started or asked.done()):
        await asyncio.sleep(0)
    for started in watch.started:
        os.kill(started.pid, signal.SIGSTOP)


LITTER = """
import subprocess
stubborn = "trap '' INT TERM; while :; do sleep 1000; done"
for apart in (False, True):
    subprocess.Popen(["sh", "-c", stubborn], start_new_session=apart)
for _ in range(20):
    print("x" * 1_000_000, flush=True)
"""
"""A cell that leaves processes behind, and more output than a connection holds."""


async def test_all_that_can_hold_w2z_up_at_once(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *ID, "--kernel", "python3", ends=143) as served,
        stubborn_peers(served),
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await served.ready()
        await ann.execute(LITTER)
        await make_deaf(ann)
        # More than the kernel's sockets hold, if it does not read.
        await ann.send(execute_request("#" * 20_000_000))
        async with watching(served.pid) as watch, under_way(served, *PENDING) as asked:
            await hold(watch, asked[0])
            assert await time_to_end(served) < BUDGET


async def test_a_restart_that_an_attached_kernel_does_not_come_back_from(tmp_path: Path) -> None:
    path = place(tmp_path)
    options = (*ID, "--on-delete", "restart")
    asked = ("POST /api/kernels/the-kernel/restart", "DELETE /api/kernels/the-kernel")
    async with kernel_at(path) as kernel, w2z_to_end(path, *options) as served:
        await served.ready()
        async with under_way(served, *asked):
            assert await kernel.end() == 0
            assert await time_to_end(served) < BUDGET
        assert await served.process.end() == 143


async def test_requests_that_wait_for_an_attached_kernel(tmp_path: Path) -> None:
    async with (
        w2z_to_end(place(tmp_path), *ID) as served,
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await ann.send(execute_request("1"))
        async with under_way(served, *PENDING):
            assert await time_to_end(served) < BUDGET
        assert await served.process.end() == 143


async def test_requests_that_wait_for_a_kernel_that_is_only_starting(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf')"
    command = ("--", sys.executable, "-u", "-c", f"{deaf}; signal.pause()", "{connection_file}")
    options = (*ID, "--terminate-timeout", "0.2")
    async with (
        launched(tmp_path, *options, *command, ends=143) as served,
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await served.process.line("^kernel: deaf$")
        await ann.send(execute_request("1"))
        async with under_way(served, *(line for line in PENDING if "restart" not in line)):
            assert await time_to_end(served) < BUDGET


# The search for a kernelspec is a process of its own, perhaps, and may hang.


@asynccontextmanager
async def w2z_that_starts(tmp_path: Path) -> AsyncIterator[Process]:
    """w2z that does not serve anything yet."""
    listen = ("--host", "127.0.0.1", "--port", "0")
    command = (sys.executable, "-X", "dev", "-m", "w2z", *listen, "--kernel", "python3")
    environment = {**os.environ, "W2Z_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    async with running(*command, env=environment) as process:
        yield process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_search_before_the_start(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        w2z_that_starts(tmp_path) as process,
        watching(process.process.pid) as watch,
    ):
        os.kill((await watch.first()).pid, signal.SIGSTOP)
        assert await time_to_end(W2z(process, ""), number) < BUDGET
        assert await process.end() == 128 + number
        assert "Traceback" not in process.output


async def test_a_search_for_clients(tmp_path: Path) -> None:
    path = place(tmp_path, kernel_name="python3")
    lines = ("POST /api/kernels/the-kernel/interrupt", "GET /api/kernelspecs")
    async with (
        kernel_at(path),
        w2z_to_end(path, *ID) as served,
        watching(served.pid) as watch,
    ):
        await served.ready()
        async with under_way(served, *lines) as asked:
            for one in asked:
                await hold(watch, one)
            assert await time_to_end(served) < BUDGET
        assert await served.process.end() == 143

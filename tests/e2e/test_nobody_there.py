"""A kernel that cannot be reached, or not at all of its ports: w2z says so, to its log and to its
clients, and goes on when it can.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_launch_interrupts import interrupted
from tests.support.attaching import (
    IPYKERNEL,
    behind,
    is_announced,
    kernel_at,
    place,
    until_announced,
)
from tests.support.cable import Cable, cable
from tests.support.cells import Held
from tests.support.client import eager_client, execute_request, stdout
from tests.support.network import ip, machine, needs_networks, own_network
from tests.support.processes import W2z, running, w2z

LONGER_THAN_THE_GRACE = "7"
"""Seconds; a kernel that answers and is silent on iopub counts as ready after five."""


async def is_ready(served: W2z) -> bool:
    """Whether ``w2z wait`` finds it ready before its time is over."""
    command = (sys.executable, "-m", "w2z", "wait", "--timeout", LONGER_THAN_THE_GRACE, served.url)
    async with running(*command) as process:
        return await process.end() == 0


def fields(path: Path) -> dict[str, Any]:
    """What a connection file says."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


# No kernel at all.


def endpoint(path: Path) -> str:
    """Where shell should be."""
    told = fields(path)
    separator = ":" if told["transport"] == "tcp" else "-"
    return f"{told['transport']}://{told['ip']}{separator}{told['shell_port']}"


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_nobody_where_the_connection_file_says(tmp_path: Path, transport: str) -> None:
    """Its kernel ended long ago, or is in another container."""
    given = {} if transport == "tcp" else {"transport": "ipc", "ip": str(tmp_path / "socket")}
    path = place(tmp_path, **given)
    async with (
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        waiting = await ann.send(execute_request("print('at last')"))
        await served.process.line(rf"(?=.*nobody listens)(?=.*{re.escape(endpoint(path))})")
        seen = await until_announced(ann, "dead")
        assert seen[-1].content["reason"] in stdout(seen)
        async with (
            served.rest() as rest,
            eager_client(served.websocket("ben"), "v1") as ben,
        ):
            await rest.kernel(execution_state="dead")
            assert (await rest.ask("GET /readyz")).status == 503
            assert is_announced(await ben.until("status"), "dead")
            async with kernel_at(path):
                assert stdout(await ann.finished(waiting)) == "at last\n"
                assert stdout(await ben.execute("print('me too')")) == "me too\n"
                await rest.kernel(execution_state="idle")
                while (await rest.ask("GET /readyz")).status != 200:
                    pass


async def test_a_client_leaves_while_its_request_waits_for_a_kernel(tmp_path: Path) -> None:
    """Its request is not taken yet, but its close is."""
    async with w2z(place(tmp_path)) as served, served.rest() as rest:
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await ann.send(execute_request("1"))
            # By the second answer w2z has read what was sent before the first.
            for _ in range(2):
                assert (await rest.ask("GET /livez")).status == 200
        assert ann.websocket.close_code == 1000


# Some of its ports: one was not published, not forwarded, or leads elsewhere.


@dataclass
class Broken:
    """A port that should lead to one of the kernel's, and does not before it is mended."""

    port: int
    mend: Callable[[], Awaitable[None]]


Kind = Callable[[AsyncExitStack, str, int], Awaitable[Broken]]


async def refused(stack: AsyncExitStack, address: str, port: int) -> Broken:
    """Nobody listens there."""
    bound = stack.enter_context(socket.socket())
    bound.bind((address, 0))
    made = Cable(address, port)

    async def mend() -> None:
        server = await asyncio.start_server(made.carry, sock=bound)
        await stack.enter_async_context(server)
        stack.push_async_callback(made.end)

    return Broken(bound.getsockname()[1], mend)


async def hung_up(stack: AsyncExitStack, address: str, port: int) -> Broken:
    """Connections are taken and ended, as ssh and container runtimes do where nobody listens."""
    made = await stack.enter_async_context(cable(f"tcp://{address}:{port}"))
    down = stack.enter_context(ExitStack())
    down.enter_context(made.down())

    async def mend() -> None:
        down.close()

    return Broken(urlsplit(made.url).port or 0, mend)


async def silent(stack: AsyncExitStack, address: str, port: int) -> Broken:
    """Connections are taken, and nothing is ever said."""
    made = await stack.enter_async_context(cable(f"tcp://{address}:{port}"))
    made.stall()

    async def mend() -> None:
        made.resume()

    return Broken(urlsplit(made.url).port or 0, mend)


NEEDED = (
    ("iopub", refused),
    ("iopub", hung_up),
    ("iopub", silent),
    ("shell", refused),
    ("shell", hung_up),
)


@pytest.mark.parametrize(("name", "kind"), NEEDED)
async def test_a_port_without_which_a_kernel_is_not_ready(
    tmp_path: Path, name: str, kind: Callable[[AsyncExitStack, str, int], Awaitable[Broken]]
) -> None:
    """It answers on control, and yet no cell would run, or none would be seen to."""
    path = place(tmp_path)
    async with kernel_at(path), AsyncExitStack() as stack:
        way = await kind(stack, fields(path)["ip"], fields(path)[f"{name}_port"])
        file = behind(path, f"{way.port}.json", **{f"{name}_port": way.port})
        served = await stack.enter_async_context(w2z(file))
        assert not await is_ready(served)
        if kind is not silent:
            await served.process.line(rf"(?=.*\b{name}\b)(?=.*\b{way.port}\b)")
        await way.mend()
        async with eager_client(served.websocket("ann"), "v1") as ann:
            assert stdout(await ann.execute("print('seen')")) == "seen\n"
        await served.ready()


async def test_ports_without_which_it_is_ready(tmp_path: Path) -> None:
    """Cells run without heartbeats, without input() and without control."""
    path = place(tmp_path)
    async with kernel_at(path), AsyncExitStack() as stack:
        ports: dict[str, Any] = {}
        for name in ("hb", "stdin", "control"):
            way = await refused(stack, fields(path)["ip"], fields(path)[f"{name}_port"])
            ports[f"{name}_port"] = way.port
        served = await stack.enter_async_context(
            w2z(behind(path, **ports), "--interrupt-mode", "signal")
        )
        assert await is_ready(served)
        async with eager_client(served.websocket("ann"), "v1") as ann:
            assert stdout(await ann.execute("print('seen')")) == "seen\n"
            forever = "print('begun', flush=True)\nwhile True: pass"
            assert await interrupted(served, ann, forever) == "error"


# It was there, and its host is not any more.


@dataclass
class Place:
    """Where a kernel is, and what makes that vanish and come back."""

    vanish: Callable[[], None]
    come_back: Callable[[], None]
    address: str
    inside: tuple[str, ...] = ()


@asynccontextmanager
async def places(number: int) -> AsyncIterator[list[Place]]:
    """An address of this machine, to which there is no way then, and another machine's, from which
    nothing comes back.
    """
    address = f"10.99.0.{number}"
    words = (f"{address}/32", "dev", "lo")
    ip("addr", "add", *words)
    here = Place(lambda: ip("addr", "del", *words), lambda: ip("addr", "add", *words), address)
    async with machine(number) as other:
        yield [here, Place(other.unplug, other.plug_in, other.address, other.inside)]


@needs_networks
async def test_the_host_of_a_kernel_vanishes(tmp_path: Path) -> None:
    """One that runs a cell and one that does nothing, each on both kinds of hosts."""
    with own_network():
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            for number, is_busy in enumerate((True, False), 1):
                for place_ in await stack.enter_async_context(places(number)):
                    tasks.create_task(vanishes(tmp_path, place_, is_busy))


async def vanishes(folder: Path, where: Place, is_busy: bool) -> None:
    """Whoever is connected is told that the kernel is dead, and goes on when it is back."""
    # Its ports are free where the kernel will be: nobody else is there.
    path = behind(place(folder), f"{where.address}.json", ip=where.address)
    cell = Held(folder, name=where.address)
    async with (
        kernel_at(path, (*where.inside, *IPYKERNEL)),
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        await ann.execute("1")
        if is_busy:
            await cell.begin(ann)
        where.vanish()
        await until_announced(ann, "dead")
        async with served.rest() as rest:
            await rest.kernel(execution_state="dead")
            assert (await rest.ask("GET /readyz")).status == 503
            waiting = await ann.send(execute_request("print('back')"))
            where.come_back()
            cell.let_go()
            assert stdout(await ann.finished(waiting)) == "back\n"
            await rest.kernel(execution_state="idle")


# A connection file with addresses that ZMQ does not take.

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "a sentence": {"ip": "no such host!"},
    "a URL": {"ip": "tcp://127.0.0.1"},
    "a path": {"ip": "127.0.0.1/"},
    "a NUL": {"ip": "127.0.0.1\0"},
    "letters that are not ASCII": {"ip": "gerät"},
    "a socket whose name is too long": {"transport": "ipc", "ip": "/tmp/" + "a" * 120},
}


@pytest.mark.parametrize("wrong", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_impossible_address_is_one_line_and_exit_code_3(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    path = behind(place(tmp_path), **wrong)
    listen = ("--host", "127.0.0.1", "--port", "0", "--connection-file", str(path))
    async with running(sys.executable, "-m", "w2z", *listen) as process:
        assert await process.end() == 3
        await process.line("end of output")
        [line, _] = process.lines
        assert line.startswith(f"w2z: connection file {path}: ")
        assert fields(path)["key"] not in line


async def test_an_impossible_address_while_serving_changes_nothing(tmp_path: Path) -> None:
    path = place(tmp_path)
    served_path = behind(path)
    async with (
        kernel_at(path),
        w2z(served_path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await ann.execute("x = 1")
        for number, wrong in enumerate(IMPOSSIBLE.values(), 1):
            behind(path, **wrong)
            await served.process.line("the connection file changed to one that cannot be", number)
            assert stdout(await ann.execute("print(x)")) == "1\n"
        behind(path)
        assert stdout(await ann.execute("print(x)")) == "1\n"

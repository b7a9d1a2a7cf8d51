"""w2z ends and another takes its place while an attached kernel goes on: a sidecar is updated, or
killed. Who comes back with its session_id gets what the kernel still has to say to it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_attach_ends import w2z_to_end
from tests.support.attaching import IPYKERNEL, R, behind, kernel_at, place
from tests.support.cable import Cable, cable
from tests.support.cells import Held, everything, said
from tests.support.client import Client, Received, eager_client, execute_request, request, stdout
from tests.support.processes import W2z, w2z

kernels = pytest.mark.parametrize(
    ("kernel", "language"), [(IPYKERNEL, "python"), (R, "R")], ids=["ipykernel", "IRkernel"]
)
ENDINGS = [signal.SIGTERM, signal.SIGKILL]
ESTABLISHED = "01"
endings = pytest.mark.parametrize("ending", ENDINGS, ids=["SIGTERM", "SIGKILL"])


@asynccontextmanager
async def first_w2z(path: Path, ending: int) -> AsyncIterator[W2z]:
    """One that ends like that at the end of the block."""
    async with w2z_to_end(path) as served:
        yield served
        code = await served.process.end(ending)
        assert code == (-ending if ending == signal.SIGKILL else 128 + ending)


def once(text: str, language: str) -> str:
    return f"cat('{text}')" if language == "R" else f"print('{text}', end='')"


def shortly_after(code: str, language: str = "python") -> str:
    """When connections that have just been made are what ZMQ needs, too."""
    return f"{'Sys.sleep' if language == 'R' else 'time.sleep'}(0.2); {code}"


def connections(path: Path) -> dict[str, int]:
    """How many there are to where the kernel answers and asks."""
    fields = json.loads(path.read_text())
    ip = socket.inet_aton(fields["ip"])[::-1].hex().upper()
    # The second field is this end, the fourth the state (proc_pid_net(5)).
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [row[1] for row in rows if row[3] == ESTABLISHED]
    return {name: ends.count(f"{ip}:{fields[f'{name}_port']:04X}") for name in ("shell", "stdin")}


async def as_connected(path: Path, before: dict[str, int]) -> None:
    """Wait until there are as many again, or more: w2z expects questions from a busy kernel."""
    while any(count < before[name] for name, count in connections(path).items()):
        await asyncio.sleep(0)


def status(messages: list[Received]) -> str:
    """That of the one reply there is."""
    [reply] = [message for message in messages if message.msg_type == "execute_reply"]
    return str(reply.content["status"])


async def answer_input(client: Client, prompt: Received, value: str) -> None:
    """Answer as clients do: with the question as the parent."""
    reply = request("input_reply", {"value": value}, channel="stdin", parent_header=prompt.header)
    await client.send(reply)


@kernels
@endings
async def test_the_reply_of_a_running_cell_comes_to_its_session(
    tmp_path: Path, kernel: tuple[str, ...], language: str, ending: int
) -> None:
    path = place(tmp_path)
    cell = Held(tmp_path, then=shortly_after(once("end", language), language), language=language)
    async with kernel_at(path, kernel):
        async with (
            first_w2z(path, ending) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            asked = await cell.begin(ann)
            before = connections(path)
        async with (
            w2z_to_end(path) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            await as_connected(path, before)
            cell.let_go()
            seen = await ann.finished(asked)
            assert (stdout(seen), status(seen)) == ("end", "ok")
            # And it goes on.
            seen = await ann.execute(once("next", language))
            assert (stdout(seen), status(seen)) == ("next", "ok")


@endings
async def test_a_cell_asks_for_input_when_w2z_is_back(tmp_path: Path, ending: int) -> None:
    path = place(tmp_path)
    cell = Held(tmp_path, then=shortly_after("print('hello', input('who? '))"))
    async with kernel_at(path):
        async with (
            first_w2z(path, ending) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            asked = await cell.begin(ann, allow_stdin=True)
            before = connections(path)
        async with (
            w2z_to_end(path) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            await as_connected(path, before)
            cell.let_go()
            prompt = await ann.until("input_request", asked)
            assert prompt.content["prompt"] == "who? "
            await answer_input(ann, prompt, "anna")
            seen = await ann.finished(asked)
            assert (stdout(seen), status(seen)) == ("hello anna\n", "ok")


@endings
async def test_input_that_was_asked_for_before_is_answered_after(
    tmp_path: Path, ending: int
) -> None:
    path = place(tmp_path)
    async with kernel_at(path):
        async with (
            first_w2z(path, ending) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            code = "print('hello', input('who? '))"
            asked = await ann.send(execute_request(code, allow_stdin=True))
            prompt = await ann.until("input_request", asked)
            before = connections(path)
        async with (
            w2z_to_end(path) as served,
            eager_client(served.websocket("ann"), "v1") as ann,
        ):
            await as_connected(path, before)
            await answer_input(ann, prompt, "anna")
            seen = await ann.finished(asked)
            assert (stdout(seen), status(seen)) == ("hello anna\n", "ok")


# What the sockets of a session are called towards the kernel must not be what another's are.


@kernels
async def test_each_session_gets_its_own_replies(
    tmp_path: Path, kernel: tuple[str, ...], language: str
) -> None:
    """Equal msg_ids, equal header.session: it is the session_id that tells them apart."""
    path = place(tmp_path)
    async with (
        kernel_at(path, kernel),
        w2z_to_end(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
        eager_client(served.websocket("ben"), "default") as ben,
        eager_client(served.websocket(), "v1") as nobody,
        eager_client(served.websocket(), "v1") as nobody_else,
    ):
        everybody = (ann, ben, nobody, nobody_else)
        header = request("execute_request")["header"]
        for number, client in enumerate(everybody):
            # ipykernel passes over a request that it has had, byte for byte.
            cell = execute_request(once(f"number {number}", language))
            await client.send({**cell, "header": header})
        for client in everybody:
            reply = await client.until("execute_reply")
            assert reply.parent_header["msg_id"] == header["msg_id"]
        for client in everybody:
            seen = await everything(client, once("last", language))
            assert len([message for message in seen if message.channel == "shell"]) == 1


# Not w2z, but the network between it and the kernel fails for a moment.


async def test_the_reply_of_a_running_cell_survives_a_cut(tmp_path: Path) -> None:
    path = place(tmp_path)
    cell = Held(tmp_path, then=shortly_after("print('hello', input('who? '))"))
    fields = json.loads(path.read_text())
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(kernel_at(path))
        cables: list[Cable] = []
        ports: dict[str, Any] = {}
        for name in ("shell", "iopub", "stdin", "control", "hb"):
            url = f"tcp://{fields['ip']}:{fields[f'{name}_port']}"
            cables.append(await stack.enter_async_context(cable(url)))
            ports[f"{name}_port"] = urlsplit(cables[-1].url).port
        served = await stack.enter_async_context(w2z(behind(path, **ports)))
        ann = await stack.enter_async_context(eager_client(served.websocket("ann"), "v1"))
        rest = await stack.enter_async_context(served.rest())
        await served.ready()
        asked = await cell.begin(ann, allow_stdin=True)
        before = connections(path)
        with ExitStack() as cut:
            for one in cables:
                cut.enter_context(one.down())
            while (await rest.ask("GET /readyz")).status == 200:
                pass
        cell.speak()
        await said(ann, asked, "still here")
        await as_connected(path, before)
        cell.let_go()
        prompt = await ann.until("input_request", asked)
        await answer_input(ann, prompt, "anna")
        seen = await ann.finished(asked)
        assert (stdout(seen).splitlines()[-1], status(seen)) == ("hello anna", "ok")

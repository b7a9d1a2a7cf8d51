"""Kernels that are not Python's: other ZMQ libraries, other readings of the protocol."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from jupyter_client.connect import write_connection_file

from tests.support.client import Client, Received, execute_request, open_client, request, stdout
from tests.support.processes import W2z, running, w2z


@dataclass(frozen=True)
class Kernel:
    """How to start it, and code in its language."""

    command: tuple[str, ...]
    language: str
    hello: str
    fail: str
    failure: str


BASH = Kernel(
    (sys.executable, "-m", "bash_kernel", "-f"),
    language="bash",
    hello="for word in hello ☃; do echo $word; done",
    fail="(exit 3)",
    failure="3",
)
DENO = Kernel(
    (str(Path(sys.executable).with_name("deno")), "jupyter", "--kernel", "--conn"),
    language="typescript",
    hello="for (const word of ['hello', '☃']) console.log(word)",
    fail="throw new Error('oh no')",
    failure="oh no",
)
R = Kernel(
    ("R", "--slave", "-e", "IRkernel::main()", "--args"),
    language="R",
    hello="for (word in c('hello', '☃')) cat(word, '\\n', sep='')",
    fail="stop('oh no')",
    failure="oh no",
)


@asynccontextmanager
async def serving(kernel: Kernel, folder: Path) -> AsyncIterator[W2z]:
    """w2z in front of that kernel."""
    path = str(folder / "connection.json")
    # An address of its own: nobody takes the ports before the kernel binds them.
    ip = "127." + ".".join(str(random.randint(1, 254)) for _ in range(3))
    write_connection_file(path, ip=ip, key=random.randbytes(16).hex().encode())
    here = {"TMPDIR": str(folder), "DENO_DIR": str(folder / "deno")}  # what they leave behind
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **here}
    async with (
        running(*kernel.command, path, env=environment, cwd=folder),
        w2z(Path(path)) as served,
    ):
        yield served


async def run(client: Client, code: str, until: str) -> list[Received]:
    """Run code up to its reply, idle and what it is to say, in any order: Deno's output may
    come after idle.
    """
    asked = await client.send(execute_request(code))
    found: list[Received] = []
    awaited = {"execute_reply", "idle", until}
    while awaited:
        message = await client.recv()
        if message.parent_header.get("msg_id") != asked["msg_id"]:
            continue
        found.append(message)
        awaited -= {message.msg_type, message.content.get("execution_state", "")}
        if until in stdout(found):
            awaited.discard(until)
    return found


@pytest.mark.parametrize("kernel", [BASH, DENO, R], ids=lambda kernel: kernel.language)
@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_output_errors_and_heartbeat(kernel: Kernel, wire: str, tmp_path: Path) -> None:
    async with (
        serving(kernel, tmp_path) as served,
        open_client(served.websocket("a"), wire) as client,
    ):
        asked = await client.send(request("kernel_info_request"))
        info = await client.until("kernel_info_reply", asked)
        assert info.content["language_info"]["name"] == kernel.language

        seen = await run(client, kernel.hello, until="hello\n☃\n")
        assert stdout(seen) == "hello\n☃\n"
        [reply] = [message for message in seen if message.msg_type == "execute_reply"]
        assert (reply.channel, reply.content["status"]) == ("shell", "ok")

        seen = await run(client, kernel.fail, until="error")
        [error] = [message for message in seen if message.msg_type == "error"]
        assert (error.channel, kernel.failure in error.content["evalue"]) == ("iopub", True)
        [reply] = [message for message in seen if message.msg_type == "execute_reply"]
        assert reply.content["status"] == "error"

        beat = request("beat", {"n": 1}, channel="hb", buffers=[b"\0\1"])
        await client.send(beat)
        while (echo := await client.recv()).channel != "hb":
            pass
        assert (echo.header, echo.content) == (beat["header"], {"n": 1})
        assert echo.buffers == [b"\0\1"]


async def test_r_asks_for_input(tmp_path: Path) -> None:
    async with (
        serving(R, tmp_path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        code = "cat('hello', readline('who? '))"
        asked = await client.send(execute_request(code, allow_stdin=True))
        prompt = await client.until("input_request", asked)
        assert (prompt.channel, prompt.content["prompt"]) == ("stdin", "who? ")
        await client.send(request("input_reply", {"value": "anna"}, channel="stdin"))
        assert stdout([await client.until("stream", asked)]) == "hello anna"

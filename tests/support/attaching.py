"""Kernels that w2z only attaches to, and what it says about them."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jupyter_client.connect import write_connection_file

from tests.support.client import Client, Received
from tests.support.fake_kernel import own_address
from tests.support.processes import Process, running


def place(folder: Path, name: str = "connection.json", **fields: Any) -> Path:
    """A connection file with ports that nobody else takes, for one kernel after another."""
    path = folder / name
    given = {"ip": own_address(), "key": secrets.token_hex().encode(), **fields}
    write_connection_file(str(path), **given)
    return path


def behind(path: Path, name: str = "behind.json", **fields: Any) -> Path:
    """The connection file of the same kernel as somebody else reaches it."""
    other = path.with_name(name)
    other.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return other


IPYKERNEL = (sys.executable, "-m", "ipykernel_launcher", "-f")
DENO = (str(Path(sys.executable).with_name("deno")), "jupyter", "--quiet", "--kernel", "--conn")
R = ("R", "--slave", "-e", "IRkernel::main()", "--args")
"""Commands that start a kernel; the connection file follows."""


@asynccontextmanager
async def kernel_at(path: Path, command: Sequence[str] = IPYKERNEL) -> AsyncIterator[Process]:
    """A real kernel where the connection file says."""
    folder = path.parent
    environment = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "DENO_DIR": str(folder / "deno"),
        "TMPDIR": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    async with running(*command, str(path), env=environment, cwd=folder) as process:
        yield process


def is_announced(message: Received, state: str | None = None) -> bool:
    """Whether it is w2z's own word about the kernel, and not about a request that it lost."""
    told = message.content.get("execution_state")
    is_own = message.msg_type == "status" and message.header["username"] == "w2z"
    return is_own and message.parent_header == {} and state in (None, told)


def announced(messages: list[Received]) -> list[str]:
    """The states that w2z said the kernel was in."""
    return [message.content["execution_state"] for message in messages if is_announced(message)]


async def until_announced(client: Client, state: str) -> list[Received]:
    """Messages up to w2z's word that the kernel is in that state."""
    found = [await client.recv()]
    while not is_announced(found[-1], state):
        found.append(await client.recv())
    return found

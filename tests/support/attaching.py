"""Kernels that w2z attaches to, and the states that w2z announces for them."""

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
    """Write a connection file for one kernel after another, and return its path.

    No other program takes its ports, because they are at an address of their own.
    """
    path = folder / name
    given = {"ip": own_address(), "key": secrets.token_hex().encode(), **fields}
    write_connection_file(str(path), **given)
    return path


def behind(path: Path, name: str = "behind.json", **fields: Any) -> Path:
    """Write another connection file for the same kernel, with ``fields`` changed."""
    other = path.with_name(name)
    other.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return other


IPYKERNEL = (sys.executable, "-m", "ipykernel_launcher", "-f")
DENO = (str(Path(sys.executable).with_name("deno")), "jupyter", "--quiet", "--kernel", "--conn")
R = ("R", "--slave", "-e", "IRkernel::main()", "--args")
"""Commands that start a kernel; the path of the connection file comes after them."""


@asynccontextmanager
async def kernel_at(path: Path, command: Sequence[str] = IPYKERNEL) -> AsyncIterator[Process]:
    """Run a real kernel at the connection file ``path``."""
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
    """Whether w2z announced the kernel's state with this message, and not a lost request's."""
    told = message.content.get("execution_state")
    is_own = message.msg_type == "status" and message.header["username"] == "w2z"
    return is_own and message.parent_header == {} and state in (None, told)


def announced(messages: list[Received]) -> list[str]:
    """Return the states that w2z announced."""
    return [message.content["execution_state"] for message in messages if is_announced(message)]


async def until_announced(client: Client, state: str) -> list[Received]:
    """Return all messages until w2z announces that state."""
    found = [await client.recv()]
    while not is_announced(found[-1], state):
        found.append(await client.recv())
    return found

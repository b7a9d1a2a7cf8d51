"""Which process listens where a kernel's connection file says."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import running
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping.listening import shell_owner

LISTEN = """
import os, socket, sys
family, address = sys.argv[1:3]
with socket.socket(getattr(socket, family)) as listening:
    listening.bind(address if family == "AF_UNIX" else (address, 0))
    listening.listen()
    name = listening.getsockname()
    print("listens at", name if family == "AF_UNIX" else name[1], flush=True)
    exec(sys.argv[3])
"""

WAIT = "import time; time.sleep(1000)"


@asynccontextmanager
async def listening(family: str, address: str, then: str = WAIT) -> AsyncIterator[tuple[int, str]]:
    """A process that listens there; its id, and its port or path."""
    command = (sys.executable, "-c", LISTEN, family, address, then)
    async with running(*command) as process:
        yield process.process.pid, (await process.line("listens at (.*)"))[1]


def at(shell_port: object, **more: Any) -> ConnectionInfo:
    others = {"iopub_port": 1, "stdin_port": 2, "control_port": 3, "hb_port": 4}
    return ConnectionInfo.model_validate({"shell_port": shell_port, **others, **more})


@pytest.mark.parametrize(
    ("family", "address", "ip"),
    [
        ("AF_INET", "127.0.0.1", "127.0.0.1"),
        ("AF_INET", "127.45.67.89", "127.45.67.89"),
        ("AF_INET", "0.0.0.0", "127.0.0.1"),
        ("AF_INET", "0.0.0.0", "*"),
        ("AF_INET", "127.0.0.1", "localhost"),
        ("AF_INET6", "::1", "::1"),
        ("AF_INET6", "::", "::1"),
        ("AF_INET6", "::", "127.0.0.1"),
    ],
)
async def test_who_listens_at_a_port(family: str, address: str, ip: str) -> None:
    async with listening(family, address) as (pid, port):
        assert shell_owner(at(port, ip=ip)) == pid


async def test_who_listens_at_a_path(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with listening("AF_UNIX", f"{path}-5") as (pid, _):
        assert shell_owner(at(5, ip=path, transport="ipc")) == pid
        assert shell_owner(at(6, ip=path, transport="ipc")) is None


async def test_the_port_at_another_address_is_somebody_elses() -> None:
    async with listening("AF_INET", "127.45.67.89") as (_, port):
        assert shell_owner(at(port, ip="127.45.67.90")) is None


async def test_who_is_connected_does_not_listen() -> None:
    connect = f"import socket, sys; kept = socket.create_connection(sys.argv[1:]); {WAIT}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = (sys.executable, "-c", connect, "127.0.0.1", str(port))
        async with running(*command):
            connected, _ = await asyncio.to_thread(server.accept)
            assert shell_owner(at(port)) is None, "this process listens, which is no kernel"
            connected.close()


async def test_w2z_itself_is_no_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert shell_owner(at(server.getsockname()[1])) is None


async def test_nobody_listens_at_a_port_that_was_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert shell_owner(at(port)) is None

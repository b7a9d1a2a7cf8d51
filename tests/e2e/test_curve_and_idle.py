"""Encrypted kernels, kernels without a key, and an end when nobody needs w2z any more."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq
from jupyter_client.connect import write_connection_file

from tests.support.cells import Held
from tests.support.client import open_client, request, stdout
from tests.support.processes import launched, outlived, running, w2z


@asynccontextmanager
async def kernel_with(folder: Path, **fields: Any) -> AsyncIterator[Path]:
    """A real ipykernel whose connection file has these fields."""
    path = folder / "connection.json"
    write_connection_file(str(path), **fields)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(path)]
    async with running(*command, env={**os.environ, "IPYTHONDIR": str(folder / "ipython")}):
        yield path


async def test_an_encrypted_kernel(tmp_path: Path) -> None:
    public, secret = zmq.curve_keypair()
    keys = {"curve_publickey": public, "curve_secretkey": secret, "key": b"a key"}
    async with (
        kernel_with(tmp_path, **keys) as path,
        w2z(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert json.loads(path.read_text())["curve_publickey"] == public.decode()
        assert stdout(await client.execute("print(6 * 7)")) == "42\n"
        sent = await client.send(request("ping", {}, channel="hb"))
        assert (await client.until("ping")).header == sent


async def test_a_kernel_on_ports_gets_other_keys_at_each_start(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--transport", "tcp", "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        code = "import ipykernel.connect as c; print(c.get_connection_info())"
        before = json.loads(stdout(await client.execute(code)))
        [model] = await rest.json("GET /api/kernels")
        await rest.json(f"POST /api/kernels/{model['id']}/restart")
        after = json.loads(stdout(await client.execute(code)))
        assert len({before["curve_publickey"], after["curve_publickey"]}) == 2
        assert len(before["curve_secretkey"]) == 40


async def test_a_kernel_without_a_key(tmp_path: Path) -> None:
    async with (
        kernel_with(tmp_path, key=b"") as path,
        w2z(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert stdout(await client.execute("print(6 * 7)")) == "42\n"


async def test_w2z_ends_when_nobody_needs_the_kernel(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cell, elsewhere = Held(tmp_path_factory.mktemp("cell")), tmp_path_factory.mktemp("elsewhere")
    async with launched(tmp_path, "--kernel", "python3", "--idle-timeout", "1", ends=0) as served:
        async with open_client(served.websocket("a"), "v1") as client:
            await served.ready()
            # Longer than the timeout, with a client that does nothing.
            await outlived(elsewhere, 1)
            await cell.begin(client)
        # Nobody is connected, but the kernel is busy; then it is not.
        async with served.rest() as rest:
            await rest.kernel(connections=0, execution_state="busy")
        await outlived(elsewhere, 1)
        assert "shutting down" not in served.process.output
        cell.let_go()
        await served.process.line("nobody has needed the kernel for 1 s: shutting down")
        assert await served.process.end() == 0


async def test_w2z_ends_at_a_certain_age_whoever_is_connected(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", "--max-lifetime", "2", ends=0) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert (await client.closed())[0] == 1012
        await served.process.line("--max-lifetime of 2 s is over: shutting down")
        assert await served.process.end() == 0


async def test_an_attached_kernel_outlives_w2z(tmp_path: Path) -> None:
    async with kernel_with(tmp_path, key=b"a key") as path:
        async with w2z(path) as served, open_client(served.websocket("a"), "v1") as client:
            await client.execute("kept = 1")
        # It was ended by SIGTERM.
        async with w2z(path) as served, open_client(served.websocket("a"), "v1") as client:
            assert stdout(await client.execute("print(kept)")) == "1\n"

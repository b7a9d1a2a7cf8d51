"""What becomes of a real kernel when a client deletes it, for each ``--on-delete``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.client import open_client, stdout
from tests.support.processes import TOKEN, running, supervised_ipykernel, w2z
from tests.support.rest import open_rest

AUTH = f"Authorization: Bearer {TOKEN}"


async def test_restart_gives_the_next_client_a_new_kernel(tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as path,
        w2z(path, "--on-delete", "restart", "--kernel-id", "one") as served,
        open_rest(served.url, AUTH) as rest,
    ):
        async with open_client(served.websocket("a"), "v1") as client:
            await client.execute("x = 1")
        await rest.done("DELETE /api/kernels/one")
        assert (await rest.json("POST /api/kernels", status=201))["execution_state"] == "idle"
        async with open_client(served.websocket("b"), "v1") as client:
            seen = await client.execute("print('x' in globals())")
            assert stdout(seen) == "False\n"


async def test_stop_ends_the_kernel_and_w2z(tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    kernel_command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(path)]
    listen = ("--host", "127.0.0.1", "--port", "0", "--kernel-id", "one")
    command = [sys.executable, "-X", "dev", "-m", "w2z", "--connection-file", str(path), *listen]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "W2Z_TOKEN": TOKEN}
    environment["W2Z_ON_DELETE"] = "stop"
    async with (
        running(*kernel_command, env=environment) as kernel,
        running(*command, env=environment) as process,
    ):
        url = (await process.line(r"http://\S+"))[0]
        socket = f"{url.replace('http', 'ws', 1)}channels?token={TOKEN}"
        async with open_client(socket, "v1") as client:
            await client.execute("1")
            async with open_rest(url, AUTH) as rest:
                await rest.done("DELETE /api/kernels/one")
            assert (await client.closed())[0] == 1012
        assert await kernel.end() == 0
        assert await process.end() == 0
        await process.line("stopped by a client: shutting down")

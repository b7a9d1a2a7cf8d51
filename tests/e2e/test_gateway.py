"""A Jupyter server, as it is published, that has w2z for the gateway to its kernels."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.cable import cable
from tests.support.cells import ENDLESS
from tests.support.client import Client, execute_request, open_client, request, stdout
from tests.support.processes import TOKEN, Process, W2z, listening, running
from tests.support.rest import Rest, open_rest

ITS_TOKEN = "the-token-of-the-jupyter-server"


@dataclass
class JupyterServer:
    process: Process
    url: str

    def websocket(self, kernel_id: str) -> str:
        url = self.url.replace("http", "ws", 1)
        return f"{url}api/kernels/{kernel_id}/channels?token={ITS_TOKEN}&session_id=anna"


@asynccontextmanager
async def jupyter_server(gateway: W2z, folder: Path) -> AsyncIterator[JupyterServer]:
    """``jupyter server`` with the options and the environment a user would give it."""
    options = {
        "gateway-url": gateway.url,
        "port": 0,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": ITS_TOKEN,
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", *given]
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_GATEWAY_AUTH_TOKEN": TOKEN}
    async with running(*command, env=environment) as process:
        found = await process.line(r"(http://127.0.0.1:(\d+)/)\?token")
        await listening(int(found[2]))
        yield JupyterServer(process, found[1])


async def interrupt(rest: Rest, client: Client, path: str) -> None:
    asked = await client.send(execute_request(ENDLESS))
    await client.until("stream", asked)
    await rest.done(f"POST {path}/interrupt")
    reply = await client.until("execute_reply", asked)
    assert reply.content["ename"] == "KeyboardInterrupt"


async def test_its_kernel_is_that_of_w2z(supervised: W2z, tmp_path: Path) -> None:
    async with (
        jupyter_server(supervised, tmp_path) as server,
        open_rest(server.url, f"Authorization: token {ITS_TOKEN}") as rest,
        open_rest(supervised.url, f"Authorization: token {TOKEN}") as own,
    ):
        specs = await rest.json("GET /api/kernelspecs")
        assert specs["kernelspecs"][specs["default"]]["spec"]["language"] == "python"
        assert await rest.json("GET /api/kernels") == [], "it shows those it started only"
        started = await rest.json("POST /api/kernels", {"name": specs["default"]}, status=201)
        [kernel] = await own.json("GET /api/kernels")
        assert started["id"] == kernel["id"]
        path = f"/api/kernels/{kernel['id']}"
        assert (await rest.json("GET /api/kernels"))[0]["id"] == kernel["id"]

        async with open_client(server.websocket(kernel["id"]), "default") as client:
            seen = await client.execute("print('hello ☃'); 6 * 7")
            assert stdout(seen) == "hello ☃\n"
            [result] = [one for one in seen if one.msg_type == "execute_result"]
            assert result.content["data"]["text/plain"] == "42"
            await interrupt(rest, client, path)
            asked = await client.send(
                execute_request("x = input('go on? '); print('went on', x)", allow_stdin=True)
            )
            await client.until("input_request", asked)
        # Its websocket is cut, and w2z's with it; the session is the same afterwards.
        async with open_client(server.websocket(kernel["id"]), "default") as client:
            await client.send(request("input_reply", {"value": "yes"}, channel="stdin"))
            assert stdout(await client.collect("execute_reply", asked)) == "went on yes\n"

            assert (await rest.json(f"POST {path}/restart"))["id"] == kernel["id"]
            seen = await client.execute("print('again'); x")
            assert stdout(seen) == "again\n"
            [error] = [one for one in seen if one.msg_type == "error"]
            assert error.content["ename"] == "NameError"


async def test_its_deleting_does_not_end_the_kernel(supervised: W2z, tmp_path: Path) -> None:
    async with (
        jupyter_server(supervised, tmp_path) as server,
        open_rest(server.url, f"Authorization: token {ITS_TOKEN}") as rest,
        open_rest(supervised.url, f"Authorization: token {TOKEN}") as own,
        open_client(supervised.websocket("a"), "v1") as client,
    ):
        started = await rest.json("POST /api/kernels", status=201)
        await client.execute("kept = 'kept'")
        await rest.done(f"DELETE /api/kernels/{started['id']}")
        assert await rest.json("GET /api/kernels") == []
        assert stdout(await client.execute("print(kept)")) == "kept\n"

        # When it ends, it deletes what it started; w2z forgets the documents then.
        again = await rest.json("POST /api/kernels", status=201)
        assert again["id"] == started["id"]
        await own.json("POST /api/sessions", {"path": "x", "type": "notebook"}, status=201)
        assert len(await own.json("GET /api/sessions")) == 2
        await server.process.end(signal.SIGTERM)
        assert len(await own.json("GET /api/sessions")) == 1
        assert stdout(await client.execute("print(kept)")) == "kept\n"


async def test_a_browser_that_comes_back_while_its_dead_connection_is_held(
    supervised: W2z, tmp_path: Path
) -> None:
    """Its network fails without a word, so the Jupyter server reads on for it, and acknowledges."""
    pipes = [tmp_path / "go on", tmp_path / "and on"]
    for pipe in pipes:
        os.mkfifo(pipe)
    go_on, and_on = (os.open(pipe, os.O_RDWR) for pipe in pipes)
    cell = "\n".join(
        f"open({str(pipe)!r}).read(1)\nfor n in range({n}, {n + 20}): print(n, flush=True)"
        for n, pipe in ((5, pipes[0]), (25, pipes[1]))
    )
    async with (
        jupyter_server(supervised, tmp_path) as server,
        open_rest(server.url, f"Authorization: token {ITS_TOKEN}") as rest,
        open_rest(supervised.url, f"Authorization: token {TOKEN}") as own,
    ):

        async def has(metric: str) -> bool:
            return f"\n{metric}" in (await own.ask("GET /metrics")).body.decode()

        kernel = await rest.json("POST /api/kernels", status=201)
        url = server.websocket(kernel["id"])
        async with cable(url) as line, open_client(line.url, "default") as first:
            start = "for n in range(5): print(n, flush=True)\n"
            asked = await first.send(execute_request(start + cell))
            while (await first.until("stream", asked)).content["text"].split()[-1] != "4":
                pass
            line.stall()
            os.write(go_on, b"x")
            async with open_client(url, "default") as second:
                os.write(and_on, b"x")
                seen = await second.collect("execute_reply", asked)
                shown = "".join(m.content["text"] for m in seen if m.msg_type == "stream")
                numbers = [int(word) for word in shown.split() if word.isdigit()]
                # What was on its way when it was cut off may come twice.
                assert numbers == sorted(numbers)
                if not {*range(5, 45)} <= {*numbers}:
                    # It is told as soon as the dead connection's other half has answered.
                    while "[w2z] output may be missing" not in shown:
                        shown += (await second.until("stream")).content["text"]
                # It keeps the session: the dead connection's other half comes back, and is refused.
                while not await has('w2z_refusals_total{reason="session_in_use"}'):
                    assert stdout(await second.execute("print(1)")) == "1\n"
            line.cut()
        assert await has("w2z_resumed_total 1.0")
    os.close(go_on)
    os.close(and_on)

"""nbclient, the engine of papermill and nbconvert, as it is published, with w2z for its gateway.

Its websockets have no credentials whatever it is told, so w2z runs without tokens.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.cable import cable
from tests.support.client import open_client
from tests.support.processes import Process, ipykernel, running, supervised_ipykernel, w2z


@asynccontextmanager
async def nbclient(gateway: str, folder: Path, *arguments: str) -> AsyncIterator[Process]:
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_GATEWAY_URL": gateway}
    command = [sys.executable, "-W", "error", "-m", "tests.programs.use_nbclient", *arguments]
    async with running(*command, env=environment) as process:
        yield process


async def test_it_runs_notebooks(tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel_file,
        w2z(kernel_file, "--no-auth", token=None) as served,
    ):
        async with nbclient(served.url, tmp_path) as process:
            found = await process.line(r"^\{.*")
            assert await process.end() == 0
        seen = json.loads(found[0])

        hello, rich, error, asked = seen["whole"]
        assert hello[0]["text"] == "hello ☃\n"
        assert hello[1]["data"]["text/plain"] == "42"
        assert rich[0]["data"]["text/html"] == "<b>ü</b>"
        assert error[0]["ename"] == "ZeroDivisionError"
        assert asked[0]["ename"] == "StdinNotImplementedError", "it never allows input"
        endless, _, (again, gone) = seen["steered"]
        assert endless[-1]["ename"] == "KeyboardInterrupt"
        assert (again["text"], gone["ename"]) == ("again\n", "NameError")

        # It deleted the kernel at each end, and w2z kept it.
        url = served.websocket().partition("?")[0]
        async with open_client(url, "v1") as client:
            await client.execute("print('still here')")


async def test_a_cut_fails_its_cell_and_another_client_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "cut"
    async with (
        ipykernel(tmp_path) as kernel_file,
        w2z(kernel_file, "--no-auth", token=None) as served,
        cable(served.url) as line,
        nbclient(line.url, tmp_path, str(file)) as process,
    ):
        await process.line("^begun$")
        line.cut()
        await process.line("^lost$")
        file.touch()
        found = await process.line(r"^\{.*")
        assert await process.end() == 0
    seen = json.loads(found[0])

    # Nobody hears what the cell printed afterwards: its websockets name no session.
    [begun], [kept] = seen["lost"]["cells"]
    assert seen["lost"]["failures"] == ["Response router had finished"]
    assert (begun["text"], kept["text"]) == ("begun\n", "kept\n")
    # Executing again finds the same kernel, though the one before asked to delete it.
    [[kept]] = seen["anew"]
    assert kept["text"] == "kept\n"

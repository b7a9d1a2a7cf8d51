"""The jupyter_kernel_client package, as it is published."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import jupyter_kernel_client
import pytest

from tests.support.cable import cable
from tests.support.client import open_client
from tests.support.processes import TOKEN, W2z, running
from tests.support.rest import open_rest

ROOT = Path(__file__).parents[2]


async def test_it_uses_all_of_it(supervised: W2z, tmp_path: Path) -> None:
    script = "tests.programs.use_jupyter_kernel_client"
    command = [sys.executable, "-W", "error", "-m", script, supervised.url, TOKEN, str(tmp_path)]
    async with running(*command) as process:
        found = await process.line(r"^\{.*")
    seen: dict[str, Any] = json.loads(found[0])

    assert seen["same"]
    assert seen["language"] == "python"
    assert seen["last_activity"].endswith("+00:00")
    stream, result = seen["result"]["outputs"]
    assert (stream["name"], stream["text"]) == ("stdout", "hello ☃\n")
    assert result["data"]["text/plain"] == "42"
    assert seen["result"]["status"] == "ok"
    [shown] = seen["rich"]["outputs"]
    assert shown["data"]["text/html"] == "<b>ü</b>"
    [error] = seen["error"]["outputs"]
    assert (error["output_type"], error["ename"]) == ("error", "ZeroDivisionError")
    assert seen["error"]["status"] == "error"
    assert "who? " in process.output
    [greeting] = seen["input"]["outputs"]
    assert greeting["text"] == "hello anna\n"
    [answer] = seen["variable"]["outputs"]
    assert answer["data"]["text/plain"] == "42"
    assert "x" in seen["variables"]
    assert seen["alive"] is True
    [stopped] = seen["interrupt"]["outputs"]
    assert stopped["ename"] == "KeyboardInterrupt"
    stream, error = seen["restart"]["outputs"]
    assert (stream["text"], error["ename"]) == ("again\n", "NameError")
    # It asked w2z to delete the kernel it had started, and w2z kept it.
    [stream] = seen["stop"]["outputs"]
    assert stream["text"] == "still here 1\n"


def cut_client(url: str, file: Path, reconnect_interval: int) -> list[str]:
    script = "tests.programs.cut_jupyter_kernel_client"
    arguments = [url, TOKEN, str(file), str(reconnect_interval)]
    return [sys.executable, "-W", "error", "-m", script, *arguments]


async def test_a_cut_leaves_its_client_useless_and_another_finds_the_kernel(
    served: W2z, tmp_path: Path
) -> None:
    """As it is by default: it does not reconnect."""
    file = tmp_path / "cut"
    async with (
        cable(served.url) as line,
        open_rest(served.url, f"Authorization: token {TOKEN}") as rest,
        running(*cut_client(line.url, file, reconnect_interval=0)) as process,
    ):
        await process.line("^begun$")
        line.cut()
        await rest.kernel(connections=0, execution_state="busy")
        file.touch()
        found = await process.line(r"^\{.*")
    seen: dict[str, Any] = json.loads(found[0])

    assert (seen["heard"], seen["cell"]) == (["begun\n"], "TimeoutError")
    assert seen["next"] == "WebSocketConnectionClosedException"
    assert seen["started again"] == "WebSocketConnectionClosedException"
    # Another client is another session: the cell went on, but what it printed is not for it.
    assert seen["another"] == ["kept\n"]
    [result] = seen["executed"]["outputs"]
    assert result["data"]["text/plain"] == "'kept'"


async def test_with_a_reconnect_interval_it_gets_all_that_it_missed(
    served: W2z, tmp_path: Path
) -> None:
    """It comes back as the same session: the output, the prompt and the reply are its own."""
    file = tmp_path / "cut"
    async with (
        cable(served.url) as line,
        open_rest(served.url, f"Authorization: token {TOKEN}") as rest,
        open_client(served.websocket("other"), "v1") as other,
        running(*cut_client(line.url, file, reconnect_interval=1)) as process,
    ):
        await process.line("^begun$")
        with line.down():
            await rest.kernel(connections=1)
            file.touch()
            while "away" not in (await other.until("stream")).content["text"]:
                pass
        found = await process.line(r"^\{.*")
    seen: dict[str, Any] = json.loads(found[0])

    assert seen["heard"] == ["begun\n", "while it was away\n"]
    assert "who? " in process.output
    assert seen["status"] == "ok"
    [kept] = seen["kept"]["outputs"]
    assert kept["text"] == "anna\n"


@pytest.mark.timeout(300)  # each of them starts a server of its own, and waits much
async def test_its_own_tests_pass(tmp_path: Path) -> None:
    """They come with the package, and start a program called jupyter-server: here it is w2z."""
    [package] = jupyter_kernel_client.__path__
    program = tmp_path / "bin" / "jupyter-server"
    program.parent.mkdir()
    module = "tests.programs.as_jupyter_server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
    program.chmod(0o755)
    shutil.copytree(Path(package, "tests"), tmp_path / "tests")
    path = f"{program.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    options = ["-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-q"]
    options += ["-n", "4"]  # for each starts a server, and then waits for it
    command = (sys.executable, "-m", "pytest", *options, str(tmp_path / "tests"))
    async with running(*command, env=environment) as process:
        passed = await process.line(r"^(\d+) passed in ")
        assert await process.end(None) == 0
    assert int(passed[1]) == 42

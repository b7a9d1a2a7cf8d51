"""What whoever runs w2z sees of it, and what of their surroundings w2z has to bear."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.support.client import open_client
from tests.support.processes import (
    IPYKERNEL,
    TINY,
    TOKEN,
    launched,
    left_behind,
    listening,
    running,
)

LISTEN = ("--host", "127.0.0.1", "--port", "0")


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_a_reader_of_stderr_that_stops_holds_up_neither_clients_nor_the_end(
    tmp_path: Path, log_format: str
) -> None:
    errors, filled = os.pipe()
    os.set_blocking(filled, False)
    while select.select([], [filled], [], 0)[1]:
        os.write(filled, b"." * 4096)
    os.set_blocking(filled, True)
    options = ("--log-level", "debug", "--log-format", log_format, *LISTEN, *TINY)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "w2z",
        *options,
        env={**os.environ, "W2Z_TOKEN": TOKEN},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=filled,
    )
    os.close(filled)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    if log_format == "json":
        line = json.loads(line)["message"]
    url = line.partition("http")[2].strip()
    async with open_client(f"ws{url}channels?token={TOKEN}", "v1") as client:
        await client.execute("1")
        process.send_signal(signal.SIGTERM)
        assert (await client.closed())[0] == 1012
    assert await process.wait() == 128 + signal.SIGTERM
    os.close(errors)


async def test_a_kernel_cannot_write_a_line_that_looks_like_w2z_s(tmp_path: Path) -> None:
    forged = "2026-01-01 00:00:00,000 INFO w2z: all is well"
    code = f"import os; os.write(1, b'x\\n{forged}\\n'); os.write(2, b'{forged}\\n')"
    async with launched(tmp_path, *IPYKERNEL) as served:
        async with open_client(served.websocket(), "v1") as client:
            await client.execute(code)
        await served.process.line("^kernel: 2026-01-01", 2)
        assert not [line for line in served.process.lines if line.startswith("2026-01-01")]


async def test_in_json_every_line_is_an_object_that_says_whose_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "w2z", *LISTEN, "--log-format", "json", *IPYKERNEL]
    environment = {**os.environ, "W2Z_TOKEN": TOKEN}
    async with running(*command, env=environment, cwd=tmp_path) as process:
        url = (await process.line(r"http(://[^\s\"]+)"))[1]
        async with open_client(f"ws{url}channels?token={TOKEN}", "v1") as client:
            await client.execute("import os; os.write(1, b'hello\\n')")
        await process.line("hello")
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM
        await process.line("end of output")
        lines = [json.loads(line) for line in process.lines[:-1]]
        assert {"w2z", "kernel"} <= {line["logger"] for line in lines}
        assert all(line["time"].endswith("Z") for line in lines)
        [hello] = [line for line in lines if line["message"] == "hello"]
        assert (hello["logger"], hello["stream"]) == ("kernel", "stdout")


async def test_in_json_the_reason_not_to_start_is_an_object_too(tmp_path: Path) -> None:
    options = ("--connection-file", str(tmp_path / "none"), "--wait", "0", "--log-format", "json")
    async with running(sys.executable, "-m", "w2z", *options) as process:
        assert await process.end() == 3
        await process.line("end of output")
        last = json.loads(process.lines[-2])
        assert last["level"] == "error"
        assert "there is no such file" in last["message"]


async def test_closed_standard_streams_do_no_harm(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shell = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    options = ("--host", "127.0.0.1", "--port", str(port), *IPYKERNEL)
    environment = {**os.environ, "W2Z_TOKEN": TOKEN}
    command = [*shell, sys.executable, "-m", "w2z", *options]
    async with running(*command, env=environment, cwd=tmp_path) as process:
        await listening(port)
        async with open_client(f"ws://127.0.0.1:{port}/channels?token={TOKEN}", "v1") as client:
            await client.execute("import os; os.write(1, b'x\\n'); os.write(2, b'y\\n')")
            await client.execute("1")
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_health_check_finds_w2z_wherever_options_say_it_listens(
    tmp_path: Path, read_only: bool
) -> None:
    places = {"XDG_RUNTIME_DIR": "/proc" if read_only else str(tmp_path), "W2Z_HOST": "127.0.0.2"}
    environment = {**os.environ, **places, "W2Z_TOKEN": TOKEN}
    options = ("--host", "127.0.0.1", "--port", "0", "--base-url", "/k1/", *TINY)
    command = [sys.executable, "-m", "w2z", *options]
    check = [sys.executable, "-m", "w2z", "wait", "--timeout", "20s"]
    async with running(*command, env=environment, cwd=tmp_path) as process:
        async with running(*check, env=environment) as health:
            assert await health.end() == 0, health.output
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM
    async with running(*check[:-1], "0", env=environment) as health:
        assert await health.end() == 1
    assert left_behind(tmp_path) == []

"""What whoever runs w2z sees of it, and what of their surroundings w2z has to bear."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import execute_request, open_client
from tests.support.processes import (
    IPYKERNEL,
    TINY,
    TOKEN,
    launched,
    left_behind,
    listening,
    running,
)
from tests.support.raw_http import raw_http

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


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_neither_the_token_nor_a_header_nor_a_query_is_in_anything_w2z_says(
    tmp_path: Path, log_format: str
) -> None:
    token, header, query = "known-t0ken-of-a-test", "a-header-of-a-test", "a-query-of-a-test"
    audit = tmp_path / "audit.jsonl"
    options = ("--log-level", "debug", "--log-format", log_format, "--audit-log", str(audit))
    command = [sys.executable, "-X", "dev", "-m", "w2z", *LISTEN, *options, *IPYKERNEL]
    environment = {**os.environ, "W2Z_TOKEN": token}
    said = []
    async with running(*command, env=environment, cwd=tmp_path) as process:
        url = (await process.line(r"http(://[^\s\"]+)"))[1]
        await process.line("the kernel is ready")
        port = int(url.strip("/").rpartition(":")[2])
        more = (f"X-Secret: {header}", f"Cookie: a={header}", "User-Agent: " + header)
        async with raw_http("127.0.0.1", port) as http:
            for line in (
                "GET /metrics",
                "GET /api/kernels",
                f"GET /api/kernels?token={token}&x={query}",
                f"GET /api/kernels?token={query}",
                f"GET /api/kernels/{token}",
                f"DELETE /api/sessions/{token}",
                f"GET /{token}",
                f"GET /api;token={token}",
                f"GET /api%3Ftoken={token}",
                f"GET /{token}/../{query}",
                f"{token} /api/kernels",
                f"GET http://{token}:{token}@host/api",
            ):
                for auth in (f"Authorization: token {token}", f"Authorization: Basic {token}"):
                    answer = await http.ask(line, auth, *more)
                    told = (answer.body + str(answer.headers).encode()).decode()
                    # A 404 may repeat what the peer itself asked for.
                    if "metrics" in line or "?" in line:
                        said.append(told)
        for bad in (
            f"GET {token}\r\n\r\n",
            f"{token}\r\n\r\n",
            f"GET / HTTP/1.1\r\n{token}\r\n\r\n",
        ):
            async with raw_http("127.0.0.1", port) as http:
                await http.send(bad.encode())
                await http.answer()
        for wrong in (f"?token={query}", f"?token={token}&session_id={token}"):
            with contextlib.suppress(InvalidStatus):
                async with open_client(f"ws{url}channels{wrong}", "v1") as client:
                    await client.execute("1")
                    await client.websocket.send(f"{token}")
                    await client.closed()
        said.append(arguments(process.process.pid))
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM
        await process.line("end of output")
        said += [process.output, audit.read_text()]
    assert '"execute_request"' in said[-1]
    for text in said:
        for secret in (token, header, query):
            assert secret not in text


def arguments(pid: int) -> str:
    """What a process list shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_reader_of_stdout_that_stops_holds_up_the_kernel_alone(tmp_path: Path) -> None:
    unread, stdout = os.pipe()
    command = [sys.executable, "-m", "w2z", *LISTEN, "--log-level", "debug", *IPYKERNEL]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "W2Z_TOKEN": TOKEN},
        cwd=tmp_path,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(stdout)
    url = os.read(unread, 1000).decode().partition("http")[2].strip()
    errors = process.stderr
    assert errors is not None
    while b"the kernel is ready" not in await errors.readline():
        pass
    async with open_client(f"ws{url}channels?token={TOKEN}", "v1") as client:
        await client.send(execute_request("import os\nos.write(1, b'x' * 10_000_000)"))
        # Twice what fits: w2z's pipe is full then, and the kernel's is.
        await client.recv()
        assert await asyncio.to_thread(is_full, unread)
        async with raw_http("127.0.0.1", int(url.strip("/").rpartition(":")[2])) as http:
            assert (await http.ask("GET /livez")).status == 200
        process.send_signal(signal.SIGTERM)
        assert (await client.closed())[0] == 1012
    await errors.read()
    assert await process.wait() == 128 + signal.SIGTERM
    os.close(unread)


def is_full(pipe: int) -> bool:
    """Wait until a pipe that nobody reads is full."""
    there = array.array("i", [0])
    while there[0] < 60_000:
        fcntl.ioctl(pipe, termios.FIONREAD, there)
        time.sleep(0)
    return True

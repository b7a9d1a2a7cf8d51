"""w2z as a process: what it prints, what it waits for, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.client import open_client
from tests.support.processes import TOKEN, ipykernel, running, w2z
from tests.support.raw_http import raw_http
from w2z.server.door import SPARE

WHOLE: dict[str, Any] = {
    "transport": "tcp",
    "ip": "127.0.0.1",
    "shell_port": 50001,
    "iopub_port": 50002,
    "stdin_port": 50003,
    "control_port": 50004,
    "hb_port": 50005,
    "key": "do-not-show-this",
    "signature_scheme": "hmac-sha256",
}


def command(path: Path, *options: str) -> list[str]:
    listen = ("--host", "127.0.0.1", "--port", "0")
    return [sys.executable, "-m", "w2z", "--connection-file", str(path), *listen, *options]


async def test_it_waits_for_a_file_written_in_two_halves(tmp_path: Path) -> None:
    path = tmp_path / "late.json"
    async with ipykernel(tmp_path, "kernel.json") as real:
        while not real.exists() or not real.read_text().endswith("}"):
            await asyncio.sleep(0)
        text = real.read_text()
        async with running(*command(path), env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
            path.write_text("")
            path.write_text(text[:50])
            path.write_text(text)
            url = (await process.line(r"http://\S+"))[0].replace("http", "ws", 1)
            async with open_client(f"{url}channels?token={TOKEN}", "v1") as client:
                await client.execute("1")


BAD_FILES = {
    "missing": (None, "no such file"),
    "empty": ("", "not a whole JSON text"),
    "partial": (json.dumps(WHOLE)[:60], "not a whole JSON text"),
    "not an object": ("[]", "object"),
    "a field missing": (json.dumps({**WHOLE, "hb_port": None}), "hb_port"),
    "a port out of range": (json.dumps({**WHOLE, "shell_port": 70000}), "shell_port"),
    "ports that were never chosen": (
        json.dumps({name: 0 if name.endswith("_port") else WHOLE[name] for name in WHOLE}),
        "the kernel has not put its ports there yet (waited 0.1 s: see --wait)",
    ),
    "a port that is no number": (json.dumps({**WHOLE, "iopub_port": "x"}), "iopub_port"),
    "an unknown transport": (json.dumps({**WHOLE, "transport": "carrier"}), "transport"),
    "an unknown scheme": (json.dumps({**WHOLE, "signature_scheme": "hmac-no"}), "hmac-no"),
}


@pytest.mark.parametrize(("text", "told"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_bad_connection_file_is_one_line_and_exit_code_3(
    tmp_path: Path, text: str | None, told: str
) -> None:
    path = tmp_path / "connection.json"
    if text is not None:
        path.write_text(text)
    async with running(*command(path, "--wait", "0.1")) as process:
        assert await process.end() == 3
        await process.line("end of output")
        *_, line, _ = process.lines
        assert line.startswith("w2z: connection file")
        assert told in line
        assert "do-not-show-this" not in line


async def test_an_unreadable_file_is_exit_code_3(tmp_path: Path) -> None:
    async with running(*command(tmp_path)) as process:
        assert await process.end() == 3
        await process.line("Is a directory")


@pytest.mark.parametrize(("option", "code"), [("--connection-file", 3), ("--token-file", 7)])
async def test_a_pipe_in_the_place_of_a_file_is_one_line(
    kernel_file: Path, tmp_path: Path, option: str, code: int
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    async with running(*command(kernel_file, option, str(pipe)), env=environment) as process:
        assert await process.end() == code
        await process.line("it is no regular file")


async def test_the_token_may_come_by_a_pipe_that_is_closed_then(kernel_file: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    reader, writer = os.pipe()
    os.write(writer, f"{TOKEN}\n".encode())
    fd = ("--token-fd", str(reader))
    async with running(*command(kernel_file, *fd), env=environment, pass_fds=[reader]) as process:
        [url] = (await process.line(r"http://\S+"))[0].split()
        os.close(reader)
        async with open_client(f"ws{url.removeprefix('http')}channels?token={TOKEN}", "v1"):
            with pytest.raises(BrokenPipeError):
                os.write(writer, b"nobody has it open any more")
    os.close(writer)


async def test_a_signal_while_waiting_ends_it(tmp_path: Path) -> None:
    async with running(*command(tmp_path / "never.json")) as process:
        await process.line("waiting for the connection file")
        assert await process.end(signal.SIGINT) == 128 + signal.SIGINT


async def test_a_taken_port_is_exit_code_6(kernel_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with running(*command(kernel_file, "--port", port)) as process:
            assert await process.end() == 6
            await process.line(f"w2z: cannot listen on 127.0.0.1 port {port}")


async def test_bad_options_are_exit_code_2(tmp_path: Path) -> None:
    for options in (["--port", "x"], ["--wait", "-1"], ["--no-such-option"]):
        async with running(*command(tmp_path / "c.json", *options)) as process:
            assert await process.end() == 2
            await process.line(options[0])


@pytest.mark.parametrize("token", ["", "with space", "ümlaut"])
async def test_an_unusable_token_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    environment = {**os.environ, "W2Z_TOKEN": token}
    async with running(*command(tmp_path / "c.json"), env=environment) as process:
        assert await process.end() == 2
        await process.line("W2Z_TOKEN")
        assert not token or token not in process.output


async def test_a_missing_token_file_is_exit_code_7(kernel_file: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "token")
    async with running(*command(kernel_file, "--token-file", missing)) as process:
        assert await process.end() == 7
        await process.line("token file")


async def test_a_rotated_token_file_changes_who_may_connect(
    kernel_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    async with w2z(kernel_file, "--token-file", str(file), token=None) as served:
        url = served.websocket("a").replace(TOKEN, "%s")
        async with open_client(url % "first", "v1"):
            pass
        new = tmp_path / "new"
        new.write_text("second\n")
        new.replace(file)
        async with open_client(url % "second", "v1"):
            pass
        with pytest.raises(Exception, match="HTTP 403"):
            async with open_client(url % "first", "v1"):
                pass


async def test_a_generated_token_is_shown_on_a_terminal_only(kernel_file: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "W2Z_TOKEN"}
    async with running(*command(kernel_file), env=environment) as process:
        assert "token" not in (await process.line(r"http://\S+"))[0]
        await process.line("only shown on a terminal")
    ours, theirs = pty.openpty()
    process_on_terminal = await asyncio.create_subprocess_exec(
        *command(kernel_file), env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    loop = asyncio.get_running_loop()
    shown = b""
    while not (found := re.search(rb"http(://\S+)\?token=([\w-]{43})\s", shown)):
        shown += await loop.run_in_executor(None, os.read, ours, 4096)
    url = f"ws{found[1].decode()}channels?token={found[2].decode()}"
    async with open_client(url, "v1") as client:
        await client.execute("1")
    process_on_terminal.terminate()
    assert await process_on_terminal.wait() == 128 + signal.SIGTERM
    os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_sends_clients_away_with_1012(
    kernel_file: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "W2Z_TOKEN": TOKEN}
    async with running(*command(kernel_file), env=environment) as process:
        url = (await process.line(r"http://\S+"))[0].replace("http", "ws", 1)
        async with open_client(f"{url}channels?token={TOKEN}", "v1") as client:
            await client.execute("1")
            code = await process.end(number)
            assert (await client.closed())[0] == 1012
            assert code == 128 + number


async def test_no_auth_warns(kernel_file: Path) -> None:
    async with w2z(kernel_file, "--no-auth", token=None) as served:
        await served.process.line("--no-auth")
        url = served.websocket().partition("?")[0]
        async with open_client(url, "v1") as client:
            await client.execute("1")


async def test_a_plain_start_loads_nothing_heavy(kernel_file: Path) -> None:
    """Start-up time and memory are what a thousand containers pay."""
    heavy = [
        "jupyter_client",
        "traitlets",
        "tornado",
        "IPython",
        "websockets.asyncio",
        "prometheus_client",
    ]
    script = (
        "import asyncio, sys, w2z.serve.serve as s\n"
        "from w2z.cli import cli\n"
        "async def seen(*_):\n"
        f"    print('loaded:', [name for name in {heavy!r} if name in sys.modules])\n"
        "    return 0\n"
        "s.Stop.wait = seen\n"
        "cli()\n"
    )
    full = [sys.executable, "-c", script, *command(kernel_file)[3:]]
    async with running(*full, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        assert (await process.line(r"loaded: (.*)"))[1] == "[]"


async def test_few_open_files_mean_fewer_connections_not_a_crash(kernel_file: Path) -> None:
    """libzmq ends the process when descriptors run out. Strangers take no places of clients."""
    limited = ["sh", "-c", 'ulimit -n 300; exec "$@"', "sh", *command(kernel_file)]
    async with running(*limited, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        await process.line("300 open files are allowed: room for 13 connections")
        url = (await process.line(r"http://\S+"))[0].replace("http", "ws", 1)
        host, port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        async with AsyncExitStack() as peers:
            for _ in range(2 * SPARE):
                await peers.enter_async_context(raw_http(host, port))
            for _ in range(13):
                await peers.enter_async_context(open_client(f"{url}channels?token={TOKEN}", "v1"))
            with pytest.raises(Exception, match="503"):
                await peers.enter_async_context(open_client(f"{url}channels?token={TOKEN}", "v1"))
        async with open_client(f"{url}channels?token={TOKEN}", "v1") as client:
            await client.execute("1")

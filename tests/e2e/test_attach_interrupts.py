"""Interrupting real kernels that others start, each as it takes it and as far as it can be seen."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_launch_interrupts import interrupt, interrupted
from tests.support.attaching import DENO, R, kernel_at, place
from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import TOKEN, W2z, running, w2z

BEGIN = "import signal; print('begun', flush=True)\n"
FOREVER = ("signal.pause()", "while True: pass")

SIGNAL = ("--interrupt-mode", "signal")


@pytest.mark.parametrize("options", [(), SIGNAL], ids=["by message", "by signal"])
async def test_ipykernel(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path),
        w2z(path, *options) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        for forever in FOREVER:
            assert await interrupted(served, client, BEGIN + forever) == "error"
        assert stdout(await client.execute("print('still there')")) == "still there\n"


async def test_a_signal_goes_to_the_process_at_the_shell_port_only(tmp_path: Path) -> None:
    """Not to its parent, nor to what it started: w2z does not know why they are there."""
    path = place(tmp_path)
    # The shell says when it is interrupted, and goes on.
    script = 'trap "echo the parent was interrupted" INT; "$@"; echo the kernel ended'
    command = ("sh", "-c", script, "sh", sys.executable, "-m", "ipykernel_launcher", "-f")
    async with (
        kernel_at(path, command) as started,
        w2z(path, *SIGNAL) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\n"
        assert await interrupted(served, client, code + BEGIN + FOREVER[0]) == "error"
        seen = await client.execute("print(child.poll()); child.kill(); child.wait()")
        assert stdout(seen) == "None\n"
        assert "interrupted" not in started.output
        assert "ended" not in started.output


async def test_a_kernel_behind_unix_sockets_is_found(tmp_path: Path) -> None:
    path = place(tmp_path, transport="ipc", ip=str(tmp_path / "socket"))
    async with (
        kernel_at(path),
        w2z(path, *SIGNAL) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        assert await interrupted(served, client, BEGIN + FOREVER[0]) == "error"
        assert stdout(await client.execute("print('still there')")) == "still there\n"


async def test_irkernel_is_sent_a_signal_because_it_takes_no_message(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path, R),
        w2z(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        for forever in ("Sys.sleep(1000)", "repeat {}"):
            await interrupted(served, client, f"cat('begun\\n'); flush.console(); {forever}")
        assert stdout(await client.execute("cat('still there')")) == "still there"


async def test_irkernel_that_was_busy_before_w2z_came_is_sent_a_signal(tmp_path: Path) -> None:
    """It does not say what it is until its cell has ended; the connection file does."""
    path = place(tmp_path, kernel_name="ir")
    async with kernel_at(path, R):
        async with w2z(path) as served, open_client(served.websocket("a"), "v1") as client:
            await served.ready()
            code = "cat('begun\\n'); flush.console(); Sys.sleep(1000)"
            await client.until("stream", await client.send(execute_request(code)))
        async with w2z(path) as served, open_client(served.websocket("b"), "v1") as client:
            assert (await interrupt(served)).status == 204
            await served.ready()
            assert stdout(await client.execute("cat('still there')")) == "still there"


async def test_deno_cannot_be_interrupted_and_survives_that(tmp_path: Path) -> None:
    path, go_on = place(tmp_path), tmp_path / "go on"
    async with (
        kernel_at(path, DENO) as kernel,
        w2z(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = f"while (true) try {{ Deno.statSync({str(go_on)!r}); break }} catch {{}}"
        asked = await client.send(execute_request(code))
        await client.until("execute_input", asked)
        answer = await interrupt(served)
        assert answer.status == 501
        assert "cannot be interrupted: it dies of SIGINT" in answer.json["message"]
        go_on.touch()
        await client.until("execute_reply", asked)
        assert kernel.process.returncode is None


@asynccontextmanager
async def w2z_that_sees_no_other_process(path: Path) -> AsyncIterator[W2z]:
    """w2z in a process namespace of its own, as in another container of the kernel's Pod."""
    apart = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    options = ("--connection-file", str(path), "--host", "127.0.0.1", "--port", "0")
    command = (*apart, "--kill-child", sys.executable, "-X", "dev", "-m", "w2z", *options)
    async with running(*command, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        yield W2z(process, (await process.line(r"http://\S+"))[0])


async def test_a_signal_to_a_kernel_that_cannot_be_seen_is_501_with_advice(tmp_path: Path) -> None:
    path, go_on = place(tmp_path), tmp_path / "go on"
    async with (
        kernel_at(path, R),
        w2z_that_sees_no_other_process(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = f"cat('begun\\n'); flush.console(); while (!file.exists('{go_on}')) {{}}"
        asked = await client.send(execute_request(code))
        await client.until("stream", asked)
        answer = await interrupt(served)
        assert answer.status == 501
        for advice in ("shareProcessNamespace", "the user", "w2z --kernel"):
            assert advice in answer.json["message"]
        go_on.touch()
        assert (await client.until("execute_reply", asked)).content["status"] == "ok"


async def test_a_message_reaches_a_kernel_that_cannot_be_seen(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path),
        w2z_that_sees_no_other_process(path) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        assert await interrupted(served, client, BEGIN + FOREVER[0]) == "error"

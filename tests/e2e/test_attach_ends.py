"""The end of w2z, which a kernel that somebody else started does not notice; encrypted kernels."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq

from tests.support.attaching import kernel_at, place
from tests.support.cells import Held
from tests.support.client import open_client, stdout
from tests.support.processes import TOKEN, Process, W2z, outlived, running
from tests.support.serving import serving
from tests.support.waiting import ready

NOTE_SIGNALS = """
import signal
caught = []
for name in ("SIGHUP", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
    signal.signal(getattr(signal, name), lambda number, frame: caught.append(number))
"""


@asynccontextmanager
async def w2z_to_end(path: Path, *options: str) -> AsyncIterator[W2z]:
    """w2z whose end is the test's business."""
    listen = ("--connection-file", str(path), "--host", "127.0.0.1", "--port", "0")
    command = (sys.executable, "-X", "dev", "-m", "w2z", *listen, *options)
    async with running(*command, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        yield W2z(process, (await process.line(r"http://\S+"))[0])


async def is_undisturbed(path: Path, kernel: Process) -> bool:
    """Whether the kernel is there as it was, and got no signal since NOTE_SIGNALS."""
    async with serving(path) as served, open_client(served.url("a"), "v1") as client:
        assert stdout(await client.execute("print(caught)")) == "[]\n"
    return kernel.process.returncode is None


async def test_no_signal_that_w2z_gets_reaches_the_kernel(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with kernel_at(path) as kernel:
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            async with (
                w2z_to_end(path) as served,
                open_client(served.websocket("a"), "v1") as client,
            ):
                await client.execute(NOTE_SIGNALS)
                os.kill(served.pid, signal.SIGUSR1)
                await served.process.line("SIGUSR1: not passed on")
                assert await served.process.end(ending) == 128 + ending
            assert await is_undisturbed(path, kernel)


async def test_w2z_ends_when_nobody_needs_it_and_the_kernel_stays(tmp_path: Path) -> None:
    path, cell = place(tmp_path), Held(tmp_path)
    async with kernel_at(path) as kernel, w2z_to_end(path, "--idle-timeout", "1") as served:
        async with open_client(served.websocket("a"), "v1") as client:
            await client.execute(NOTE_SIGNALS)
            # Longer than the timeout, with a client that is there and a kernel that is idle.
            await outlived(tmp_path, 1)
            await cell.begin(client)
        # Longer than the timeout again, with nobody there and a kernel that is busy.
        await outlived(tmp_path, 1)
        assert "shutting down" not in served.process.output
        cell.let_go()
        await served.process.line("nobody has needed the kernel for 1 s: shutting down")
        assert await served.process.end() == 0
        assert await is_undisturbed(path, kernel)


async def test_w2z_ends_at_a_certain_age_and_the_kernel_stays(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path) as kernel,
        w2z_to_end(path, "--max-lifetime", "3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute(NOTE_SIGNALS)
        assert (await client.closed())[0] == 1012
        assert await served.process.end() == 0
        assert await is_undisturbed(path, kernel)


@pytest.mark.parametrize("wrong", [{}, "other keys"], ids=["no keys", "other keys"])
async def test_an_encrypted_kernel_does_not_talk_to_who_has_not_its_keys(
    tmp_path: Path, wrong: object
) -> None:
    public, secret = zmq.curve_keypair()
    path = place(tmp_path, curve_publickey=public, curve_secretkey=secret)
    fields = json.loads(path.read_text())
    del fields["curve_publickey"], fields["curve_secretkey"]
    if wrong:
        public, secret = zmq.curve_keypair()
        fields |= {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}
    without = tmp_path / "without.json"
    without.write_text(json.dumps(fields))
    async with kernel_at(path), serving(without) as stranger:
        for _ in range(2):
            # Whoever has the keys comes later, and is served.
            async with serving(path) as served, open_client(served.url("a"), "v1") as client:
                assert stdout(await client.execute("print(6 * 7)")) == "42\n"
                await ready(served.bridge.kernel)
        assert not stranger.bridge.kernel.is_ready
        assert stranger.bridge.kernel.info is None
        # It may be given the keys.
        without.write_text(path.read_text())
        async with open_client(stranger.url("a"), "v1") as client:
            assert stdout(await client.execute("print(6 * 7)")) == "42\n"

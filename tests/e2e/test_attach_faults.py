"""Real kernels that others start, and what becomes of them while w2z is attached."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.attaching import announced, kernel_at, place, until_announced
from tests.support.client import Client, Received, execute_request, open_client, stdout
from tests.support.processes import TOKEN, Process, W2z, running, w2z
from tests.support.rest import Rest, open_rest
from tests.support.serving import retime, serving
from tests.support.waiting import ready
from w2z.kernel.actions import Action, Beat, Found, Probe
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping.listening import probe
from w2z.kernel.life import Life
from w2z.kernel.presence import BEATS_MISSED
from w2z.timing import Timing

AUTH = f"Authorization: token {TOKEN}"


async def run(client: Client, code: str) -> str:
    """What the code prints."""
    return stdout(await client.execute(code))


async def state(rest: Rest) -> str:
    """The execution state in the kernel model."""
    [model] = await rest.json("GET /api/kernels")
    return str(model["execution_state"])


# The connection file.


async def test_the_file_is_written_in_halves_and_later_anew_by_another_kernel(
    tmp_path: Path,
) -> None:
    first, second = place(tmp_path, "first.json"), place(tmp_path, "second.json")
    path = tmp_path / "served.json"
    texts = [file.read_text() for file in (first, second)]
    old_ports = {port for field, port in json.loads(texts[0]).items() if field.endswith("_port")}
    command = ("--connection-file", str(path), "--host", "127.0.0.1", "--port", "0")
    async with kernel_at(first), kernel_at(second), waiting(*command) as process:
        await process.line("waiting for the connection file")
        path.write_text(texts[0][:100])
        path.write_text(texts[0])
        url = (await process.line(r"http://\S+"))[0]
        served = W2z(process, url)
        async with open_client(served.websocket("a"), "v1") as client, served.rest() as rest:
            assert await run(client, "x = 'the first'; print(x)") == "the first\n"
            path.write_text(texts[1][:100])
            assert await run(client, "print(x)") == "the first\n"
            path.write_text(texts[1])
            assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
            assert await run(client, "print('x' in globals())") == "False\n"
            assert await state(rest) == "idle"
            assert old_ports & ports_connected_to(served.pid) == set()
            assert process.output.count("on to another kernel") == 1
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM


def ports_connected_to(pid: int) -> set[int]:
    """The far ends of a process's connections."""
    ends: list[tuple[Any, ...]]
    ends = [connection.raddr for connection in psutil.Process(pid).net_connections("tcp")]
    return {end[1] for end in ends if end}


@asynccontextmanager
async def waiting(*options: str) -> AsyncIterator[Process]:
    """w2z that is not there to be used yet."""
    command = (sys.executable, "-X", "dev", "-m", "w2z", *options)
    async with running(*command, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        yield process


# Death and return.


async def test_a_killed_kernel_is_dead_until_another_is_started_in_its_place(
    tmp_path: Path,
) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path) as kernel,
        w2z(path) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        assert await run(client, "x = 1; print(x)") == "1\n"
        await kernel.end(signal.SIGKILL)
        found = await until_announced(client, "dead")
        assert announced(found) == ["dead"]
        assert found[-1].content["reason"] == "the kernel ended"
        assert stdout(found) == "w2z: the kernel ended\n"
        assert await state(rest) == "dead"
        assert await rest.json("GET /readyz", status=503) == {"ready": False}
        asked = await client.send(execute_request("print('x' in globals())"))
        async with kernel_at(path):
            await until_announced(client, "restarting")
            assert await rest.json("GET /readyz") == {"ready": True}
            assert await run(client, "print('back')") == "back\n"
            assert await state(rest) == "idle"
        assert asked["msg_type"] == "execute_request"


async def test_a_supervised_kernel_that_is_killed_comes_back_to_the_same_websocket(
    supervised: W2z,
) -> None:
    async with (
        open_client(supervised.websocket("a"), "v1") as client,
        supervised.rest() as rest,
    ):
        # One that is idle, then one in the middle of a cell.
        pid = int(await run(client, "import os; print(os.getpid())"))
        os.kill(pid, signal.SIGKILL)
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        asked = await client.send(
            execute_request("import os, signal\nprint(os.getpid(), flush=True)\nsignal.pause()")
        )
        os.kill(int(stdout([await client.until("stream", asked)])), signal.SIGKILL)
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        assert await state(rest) == "idle"
        assert await run(client, "print('back')") == "back\n"


# Silence. Here w2z is in the test's own process, and suspects kernels sooner.


class Watch:
    """Counts what w2z does because time passes: heartbeats, their echoes, and tries of the kernel's
    port.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.echoes = 0
        self.found: list[Found] = []
        self._news = asyncio.Event()
        poll, on_echo = Life.poll, Life.on_echo

        def count(life: Life, now: float) -> list[Action]:
            actions = poll(life, now)
            self.count += any(isinstance(action, Beat | Probe) for action in actions)
            self._news.set()
            return actions

        def count_echo(life: Life) -> list[Action]:
            self.echoes += 1
            self._news.set()
            return on_echo(life)

        async def note(info: ConnectionInfo, seconds: float) -> tuple[Found, ConnectionInfo]:
            found, where = await probe(info, seconds)
            self.found.append(found)
            self._news.set()
            return found, where

        monkeypatch.setattr(Life, "poll", count)
        monkeypatch.setattr(Life, "on_echo", count_echo)
        monkeypatch.setattr("w2z.kernel.keeping.attached.probe", note)

    async def echoed(self) -> None:
        """Wait until the kernel has echoed a heartbeat: before that, none is missed."""
        await self._until(lambda: self.echoes > 0)

    async def probed(self, number: int) -> list[Found]:
        """Wait for so many tries of the port; what they found."""
        wanted = len(self.found) + number
        await self._until(lambda: len(self.found) >= wanted)
        return self.found[-number:]

    async def more(self, number: int) -> None:
        """Wait for so many."""
        wanted = self.count + number
        await self._until(lambda: self.count >= wanted)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()


SOON = Timing(look=0.01, beat_every=0.05, dead_after=0.1, probe_every=0.02)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Kernels are suspected soon."""
    return Watch(monkeypatch)


async def test_a_stopped_process_is_neither_dead_nor_restarted(
    tmp_path: Path, watch: Watch
) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path) as kernel,
        serving(path, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        # Before it has answered w2z, what w2z says of it may be that it is busy.
        await ready(served.bridge.kernel)
        assert await run(client, "x = 'still'; print(x)") == "still\n"
        await watch.echoed()
        kernel.process.send_signal(signal.SIGSTOP)
        # A kernel whose port refuses would be gone at the first probe, and dead at the next.
        assert await watch.probed(6) == [Found.LISTENING] * 6
        asked = await client.send(execute_request("print(x, 'here')"))
        kernel.process.send_signal(signal.SIGCONT)
        assert_undisturbed(await client.collect("execute_reply"), asked, "still here\n")
        assert served.bridge.kernel.is_ready


def assert_undisturbed(seen: list[Received], asked: dict[str, str], text: str) -> None:
    """The cell printed that, and w2z said nothing."""
    mine = [message for message in seen if message.parent_header.get("msg_id") == asked["msg_id"]]
    assert stdout(mine) == text
    assert announced(seen) == []


HOLD = """
import ctypes
libc = ctypes.PyDLL(None)
def hold(ours, theirs):
    "Say so, and keep every thread of Python waiting until there is an answer."
    ours, theirs = (libc.open(path.encode(), 2) for path in (ours, theirs))
    libc.write(ours, b"x", 1)
    libc.read(theirs, ctypes.create_string_buffer(1), 1)
"""


async def test_a_kernel_that_is_busy_in_c_is_not_dead(tmp_path: Path, watch: Watch) -> None:
    path = place(tmp_path)
    paths = [tmp_path / "from-kernel", tmp_path / "to-kernel"]
    for pipe in paths:
        os.mkfifo(pipe)
    from_kernel, to_kernel = (os.open(pipe, os.O_RDWR) for pipe in paths)
    async with (
        kernel_at(path),
        serving(path, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        # Before it has answered w2z, what w2z says of it may be that it is busy.
        await ready(served.bridge.kernel)
        await client.execute(HOLD)
        await watch.echoed()
        asked = await client.send(execute_request(f"hold(*{[*map(str, paths)]}); print('done')"))
        await asyncio.to_thread(os.read, from_kernel, 1)
        await watch.more(BEATS_MISSED + 6)
        os.write(to_kernel, b"x")
        assert_undisturbed(await client.collect("execute_reply"), asked, "done\n")
        assert served.bridge.kernel.is_ready
    os.close(from_kernel)
    os.close(to_kernel)


# Restart.


async def test_a_restart_by_rest_under_a_supervisor(supervised: W2z) -> None:
    async with (
        open_client(supervised.websocket("a"), "v1") as client,
        supervised.rest() as rest,
    ):
        assert await run(client, "x = 1; print(x)") == "1\n"
        [model] = await rest.json("GET /api/kernels")
        restarted = await rest.json(f"POST /api/kernels/{model['id']}/restart")
        assert restarted["execution_state"] in ("starting", "idle")
        seen = await client.execute("print('x' in globals())")
        assert stdout(seen) == "False\n"
        assert await rest.json("GET /readyz") == {"ready": True}


async def test_a_restart_without_a_supervisor_is_504(tmp_path: Path, watch: Watch) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path) as kernel,
        serving(path, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
        open_rest(f"http://{served.host}:{served.port}", AUTH) as rest,
    ):
        await run(client, "print('in use')")
        retime(served, restart=0.5)
        refused = await rest.json("POST /api/kernels/the-kernel/restart", status=504)
        assert "no other kernel was there 0.5 seconds after" in refused["message"]
        assert "w2z did not start the kernel and cannot start another" in refused["message"]
        assert await kernel.end() == 0
        assert announced(await until_announced(client, "dead")) == ["dead"]

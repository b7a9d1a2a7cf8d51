"""The program from its settings to its exit code, inside the test's process."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import open_client
from tests.support.fake_chp import FakeApi, listening
from tests.support.fake_kernel import FakeKernel
from tests.support.log import Heard
from tests.support.log import listening as hearing
from tests.support.parent import parenthood
from tests.support.processes import is_there
from tests.support.raw_http import raw_http
from tests.support.signals import as_before, raise_signal
from w2z.errors import KernelEnded
from w2z.message import Message
from w2z.serve import serve as module
from w2z.serve.serve import serve
from w2z.settings import Settings

TOKEN = "a-token-for-tests"


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    with as_before():
        yield


@pytest.fixture
def log() -> Iterator[Heard]:
    with hearing() as found:
        yield found


class Program:
    """A run of w2z: the line that it prints, and its exit code."""

    def __init__(self) -> None:
        self.line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[int]

    async def url(self) -> re.Match[str]:
        """The parts of the printed URL: host, port, the rest."""
        found = re.search(r" at http://(\S+):(\d+)(/\S*)$", await self.line)
        assert found
        return found


@asynccontextmanager
async def program(terminal: bool = False, **settings: Any) -> AsyncIterator[Program]:
    """Run it; it has to end by itself before the block does."""
    given = {"host": "127.0.0.1", "port": 0, "token": TOKEN, **settings}
    made = Program()
    async with asyncio.TaskGroup() as tasks:
        serving = serve(Settings.model_validate(given), made.line.set_result, terminal)
        made.task = tasks.create_task(serving)
        yield made


async def test_a_signal_ends_what_was_served(kernel: FakeKernel) -> None:
    async with program(connection_file=kernel.connection_file, base_url="/k/") as served:
        host, port, path = (await served.url()).groups()
        assert path == "/k/"
        async with open_client(f"ws://{host}:{port}/k/channels?token={TOKEN}", "v1") as client:
            raise_signal(signal.SIGTERM)
            assert (await client.closed())[0] == 1012
        assert await served.task == 128 + signal.SIGTERM


async def test_it_says_that_it_serves_when_it_does(kernel: FakeKernel, log: Heard) -> None:
    asked = asyncio.Event()
    answer = asyncio.Event()

    async def later(identity: bytes, message: Message) -> None:
        asked.set()
        await answer.wait()
        await kernel.answer_info(identity, message)

    kernel.on_kernel_info = later
    async with program(connection_file=kernel.connection_file) as served:
        listening = await log.line(r"listening at http://127.0.0.1:\d+/$")
        await asked.wait()
        assert not served.line.done()
        answer.set()
        assert await served.line == f"w2z: serving the kernel at {listening.rpartition(' ')[2]}"
        raise_signal(signal.SIGTERM)
        await served.task


@pytest.mark.parametrize("in_container", [True, False])
async def test_it_says_whom_it_listens_to(
    kernel: FakeKernel, log: Heard, monkeypatch: pytest.MonkeyPatch, in_container: bool
) -> None:
    monkeypatch.setattr(module, "is_container", lambda _: in_container)
    async with program(connection_file=kernel.connection_file, host="auto"):
        reach = "whoever reaches this container" if in_container else "this machine alone"
        await log.line(rf"listening at http://127.0.0.1:\d+/ \(for {reach}: --host\)$")
        raise_signal(signal.SIGTERM)


async def test_a_client_may_end_it(kernel: FakeKernel) -> None:
    path = kernel.connection_file
    async with program(connection_file=path, kernel_id="k", on_delete="stop") as served:
        host, port, _ = (await served.url()).groups()
        async with raw_http(host, int(port)) as peer:
            await peer.send(
                b"DELETE /api/kernels/k HTTP/1.1\r\nHost: localhost\r\n"
                b"Authorization: token %b\r\n\r\n" % TOKEN.encode()
            )
            identity, message = await kernel.received.get()
            await kernel.reply(identity, message, "shutdown_reply", {"status": "ok"})
            assert (await peer.answer()).status == 204
        assert await served.task == 0


async def test_a_signal_ends_it_while_there_is_no_kernel_yet(tmp_path: Path, log: Heard) -> None:
    async with program(connection_file=tmp_path / "kernel.json") as served:
        await log.line("waiting for the connection file")
        raise_signal(signal.SIGINT)
        assert await served.task == 128 + signal.SIGINT
        assert not served.line.done()


@pytest.mark.parametrize("terminal", [True, False])
async def test_a_generated_token_is_shown_to_a_person_only(
    kernel: FakeKernel, log: Heard, terminal: bool
) -> None:
    path = kernel.connection_file
    async with program(terminal, connection_file=path, token=None) as served:
        host, port, rest = (await served.url()).groups()
        if terminal:
            async with raw_http(host, int(port)) as peer:
                assert (await peer.ask(f"GET /api/kernels{rest[1:]}")).status == 200
        else:
            assert rest == "/"
        told = "a token was generated, but is only shown on a terminal" in "\n".join(log.lines)
        assert told is not terminal
        raise_signal(signal.SIGTERM)


async def test_nobody_who_needs_it_ends_it(
    kernel: FakeKernel, log: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.serve.idleness.IDLE_CHECK_INTERVAL", 0.001)
    async with program(connection_file=kernel.connection_file, idle_timeout=0.001) as served:
        assert await served.task == 0
        assert "nobody has needed the kernel for 0.001 s: shutting down" in log.lines


async def test_a_proxy_has_its_route_meanwhile(kernel: FakeKernel) -> None:
    path = kernel.connection_file
    async with listening(FakeApi()) as api:
        async with program(
            connection_file=path, base_url="/k/", register_with_chp=api.url
        ) as served:
            await api.until("POST")
            assert api.routes == {"/k": f"http://127.0.0.1:{(await served.url())[2]}"}
            raise_signal(signal.SIGTERM)
        assert api.routes == {}


# With a kernel that w2z starts.


@pytest.fixture
def as_parent() -> Iterator[None]:
    with parenthood():
        yield


STRAY = 'setsid sleep 1000 <&- >&- 2>&- & echo $! >"$0"; exit 3'
"""A command that leaves a process behind that has left its process group."""


@pytest.mark.usefixtures("as_parent")
async def test_a_kernel_that_fails_takes_w2z_and_all_processes_with_it(tmp_path: Path) -> None:
    noted = tmp_path / "stray"
    with pytest.RaisesGroup(
        pytest.RaisesExc(KernelEnded, check=lambda error: error.exit_code == 3),
        flatten_subgroups=True,
    ):
        async with program(command=("sh", "-c", STRAY, str(noted))):
            pass
    assert not is_there(int(noted.read_text()))

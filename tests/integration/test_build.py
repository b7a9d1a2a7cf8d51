"""What w2z serves, as the settings have it: a kernel that is there, or one that it will start."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.log import listening
from tests.support.signals import as_before
from tests.support.waiting import until
from w2z.bridge.bridge import Bridge
from w2z.errors import ConnectionFileError, SettingsError
from w2z.kernel import connection_file
from w2z.kernel.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.keeping.attached import Attached
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.keeping.launched import Launched
from w2z.kernel.process import specs
from w2z.kernel.process.children import Children
from w2z.kernel.process.command import Command
from w2z.kernel.process.specs import InstalledSpecs
from w2z.serve import build
from w2z.serve.budget import ShutdownBudget
from w2z.serve.build import endpoints_for, printer, wait_for_file
from w2z.serve.stop import Stop
from w2z.settings import Settings

LONG = 60.0
SPEC = {"argv": ["a-kernel", "{connection_file}"], "display_name": "A", "language": "a"}


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    with as_before():
        yield


@pytest.fixture
async def stop() -> Stop:
    return Stop()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernelspecs that are found."""
    for name in ("python3", "ir"):
        folder = tmp_path / "jupyter/kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(SPEC))
    monkeypatch.setattr(specs, "directories", lambda: [str(tmp_path / "jupyter/kernels")])


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for what the process becomes when it has a kernel of its own."""
    done: list[str] = []
    monkeypatch.setattr(build, "prepare_process", lambda: done.append("prepared"))
    return done


@asynccontextmanager
async def built(
    stop: Stop, **settings: Any
) -> AsyncIterator[tuple[Bridge, Keeper, InstalledSpecs] | None]:
    chosen = Settings.model_validate(settings)
    async with AsyncExitStack() as stack:
        children = stack.enter_context(Children())
        yield await build.kernel(chosen, ShutdownBudget.of(chosen), stop, children, stack)


async def kernel_id(stop: Stop, **settings: Any) -> str:
    async with built(stop, **settings) as made:
        assert made is not None
        return made[0].kernel_id


# Whose kernel it is.


async def test_a_kernel_with_a_connection_file_is_somebody_else_s(
    kernel: FakeKernel, stop: Stop, prepared: list[str]
) -> None:
    async with built(stop, connection_file=kernel.connection_file) as made:
        assert made is not None
        _, keeper, _ = made
        assert isinstance(keeper, Attached)
    assert prepared == []


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("how", [{"kernel": "ir"}, {"command": ("kernel", "{connection_file}")}])
async def test_one_to_start_is_not_started_yet(
    stop: Stop, prepared: list[str], how: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "k.json"
    async with built(stop, **how, connection_file=path) as made:
        assert made is not None
        assert isinstance(made[1], Launched)
        assert json.loads(path.read_text())["kernel_name"] == how.get("kernel", "")
    assert prepared == ["prepared"]
    assert not path.exists()


@pytest.mark.parametrize("forwards", [True, False])
async def test_what_it_prints_goes_to_clients_only_where_that_is_wanted(
    stop: Stop, monkeypatch: pytest.MonkeyPatch, forwards: bool
) -> None:
    printed_for: list[Bridge] = []
    monkeypatch.setattr(build, "printer", printed_for.append)
    async with built(stop, command=("kernel",), forward_output=forwards) as made:
        assert made is not None
        assert printed_for == [made[0]] * forwards


# The kernelspec.


@pytest.mark.usefixtures("installed")
async def test_a_kernelspec_that_is_not_there_is_told_with_those_that_are(stop: Stop) -> None:
    said = "--kernel: no kernelspec is called 'julia'; installed: ir, python3"
    with pytest.raises(SettingsError, match=said):
        async with built(stop, kernel="julia"):
            pass


# Where it listens.

IPYKERNEL = Command(["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"])
OTHER = Command(["deno", "jupyter", "--kernel", "--conn", "{connection_file}"])


@pytest.mark.parametrize(
    ("asked", "command", "got"),
    [
        ("auto", IPYKERNEL, "ipc"),
        ("auto", OTHER, "tcp"),
        ("tcp", IPYKERNEL, "tcp"),
        ("ipc", OTHER, "ipc"),
    ],
)
def test_a_kernel_listens_on_unix_sockets_where_it_is_known_to_take_them(
    asked: str, command: Command, got: str
) -> None:
    settings = Settings.model_validate({"command": command.argv, "transport": asked})
    with endpoints_for(settings, command) as endpoints:
        assert endpoints.info.transport == got


@pytest.mark.parametrize(("asked", "is_encrypted"), [("tcp", True), ("ipc", False), ("auto", True)])
def test_what_goes_over_ports_is_encrypted_if_the_kernel_can(
    asked: str, is_encrypted: bool
) -> None:
    command = dataclasses.replace(OTHER, takes_curve=True)
    settings = Settings.model_validate({"command": command.argv, "transport": asked})
    with endpoints_for(settings, command) as endpoints:
        assert (endpoints.info.curve_publickey is not None) is is_encrypted


def test_where_there_can_be_none_tcp_is_used_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    settings = Settings.model_validate({"command": IPYKERNEL.argv})
    with endpoints_for(settings, IPYKERNEL) as endpoints:
        assert endpoints.info.transport == "tcp"
    [told] = caplog.messages
    assert told.startswith("the kernel listens on TCP ports of the loopback interface: ")
    asked = settings.model_copy(update={"transport": "ipc"})
    with pytest.raises(ConnectionFileError, match="too long for a Unix socket"):
        endpoints_for(asked, IPYKERNEL)


# The connection file.


async def test_a_file_that_is_whole_is_read_at_once(kernel: FakeKernel, stop: Stop) -> None:
    info = await wait_for_file(kernel.connection_file, 0, stop)
    assert info is not None
    assert info.shell_port == kernel.ports["shell_port"]


@pytest.mark.parametrize("half", [None, "", '{"shell_port": 1'])
async def test_a_file_is_waited_for_until_it_is_whole(
    kernel: FakeKernel,
    stop: Stop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    half: str | None,
) -> None:
    looks: asyncio.Queue[Path] = asyncio.Queue()
    read, loop = connection_file.read, asyncio.get_running_loop()

    def look(path: Path) -> ConnectionInfo:
        loop.call_soon_threadsafe(looks.put_nowait, path)
        return read(path)

    monkeypatch.setattr(connection_file, "read", look)
    monkeypatch.setattr(build, "FILE_POLL_INTERVAL", 0.001)
    path = tmp_path / "later.json"
    if half is not None:
        path.write_text(half)
    with listening() as log:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(wait_for_file(path, LONG, stop))
            for _ in range(3):
                await looks.get()
            kernel.connection_file.replace(path)
        info = waiting.result()
        assert info is not None
        assert info.shell_port == kernel.ports["shell_port"]
        assert [line[:31] for line in log.lines] == ["waiting for the connection file"]


@pytest.mark.parametrize("seconds", [0, 0.01])
async def test_a_file_that_does_not_come_is_an_error_that_names_the_option(
    stop: Stop, tmp_path: Path, seconds: float
) -> None:
    with pytest.raises(Unfinished, match=rf"no such file \(waited {seconds:g} s: see --wait\)$"):
        await wait_for_file(tmp_path / "never.json", seconds, stop)


async def test_a_drive_that_does_not_answer_does_not_hold_up_the_end(
    stop: Stop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def hang(path: Path) -> None:
        asked.set()
        answers.wait(30)

    monkeypatch.setattr(connection_file, "read", hang)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait_for_file(tmp_path / "kernel.json", LONG, stop))
        await until(asked.is_set, "the file is read")
        stop.because("the test says so")
    assert waiting.result() is None
    answers.set()


async def test_a_file_that_is_wrong_is_not_waited_for(stop: Stop, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text("{}")
    with pytest.raises(ConnectionFileError, match="shell_port"):
        await wait_for_file(path, LONG, stop)


async def test_a_reason_to_end_ends_the_waiting(stop: Stop, tmp_path: Path) -> None:
    with listening() as log:
        async with asyncio.TaskGroup() as tasks:

            async def nothing() -> None:
                async with built(stop, connection_file=tmp_path / "never.json") as made:
                    assert made is None

            tasks.create_task(nothing())
            await log.line("waiting for the connection file")
            stop.because("the test says so")


# The kernel's id.


async def test_the_id_is_the_operator_s_word_first(kernel: FakeKernel, stop: Stop) -> None:
    path = kernel.connection_file.rename(kernel.connection_file.with_name("kernel-named.json"))
    assert await kernel_id(stop, connection_file=path, kernel_id="given") == "given"
    assert await kernel_id(stop, command=("kernel",), kernel_id="given") == "given"
    assert await kernel_id(stop, connection_file=path) == "named"


async def test_the_id_of_a_kernel_that_is_there_comes_from_its_key(
    kernel: FakeKernel, stop: Stop
) -> None:
    first = await kernel_id(stop, connection_file=kernel.connection_file)
    moved = kernel.connection_file.rename(kernel.connection_file.with_name("moved.json"))
    assert await kernel_id(stop, connection_file=moved) == first
    assert kernel.key not in first
    fields = json.loads(moved.read_text())
    moved.write_text(json.dumps({**fields, "key": "another"}))
    assert await kernel_id(stop, connection_file=moved) != first


@pytest.mark.usefixtures("installed")
async def test_the_id_of_a_kernel_that_w2z_starts_is_the_same_after_a_restart_of_w2z(
    stop: Stop, tmp_path: Path
) -> None:
    ways: list[dict[str, Any]] = [
        {"kernel": "ir"},
        {"kernel": "python3"},
        {"command": ("kernel",)},
        {"command": ("kernel", "--other")},
        {"command": ("kernel",), "connection_file": tmp_path / "k.json"},
        {"command": ("kernel",), "connection_file": tmp_path / "other.json"},
        # Several on one machine: one port for each, or a path behind a proxy.
        {"kernel": "python3", "port": 9000},
        {"kernel": "python3", "base_url": "/k2/"},
    ]
    first = [await kernel_id(stop, **way) for way in ways]
    assert len(set(first)) == len(ways)
    assert [await kernel_id(stop, **way) for way in ways] == first
    path = tmp_path / "kernel-named.json"
    assert await kernel_id(stop, command=("kernel",), connection_file=path) == "named"


async def test_at_any_free_port_it_is_another_each_time(stop: Stop) -> None:
    ids = [await kernel_id(stop, kernel="python3", port=0) for _ in range(2)]
    assert ids[0] != ids[1]


async def test_it_is_another_on_another_machine(
    stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await kernel_id(stop, command=("kernel",))
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert await kernel_id(stop, command=("kernel",)) != here


# What its process prints.


class Printed:
    """A bridge that notes what it should carry."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def printed(self, name: str, text: str) -> None:
        self.said.append((name, text))


def listener(bridge: Printed) -> Callable[[str, bytes], None]:
    return printer(cast(Bridge, bridge))


async def test_prints_are_carried_before_the_thread_goes_on() -> None:
    bridge = Printed()
    listen = listener(bridge)
    await asyncio.to_thread(listen, "stdout", b"a\n")
    assert bridge.said == [("stdout", "a\n")]


async def test_characters_may_come_in_pieces_and_streams_do_not_mix() -> None:
    bridge = Printed()
    listen = listener(bridge)
    for name, data in (("stdout", b"\xc3"), ("stderr", b"\xff"), ("stdout", b"\xa9")):
        await asyncio.to_thread(listen, name, data)
    assert bridge.said == [("stdout", ""), ("stderr", "\N{REPLACEMENT CHARACTER}"), ("stdout", "é")]


def test_prints_after_the_end_are_nobody_s() -> None:
    bridge = Printed()

    async def make() -> Callable[[str, bytes], None]:
        return listener(bridge)

    listen = asyncio.run(make())
    listen("stdout", b"too late")
    assert bridge.said == []

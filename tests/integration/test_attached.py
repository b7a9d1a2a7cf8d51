"""Watching a kernel that somebody else starts: it hangs up, another comes, the network fails."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.attaching import announced, until_announced
from tests.support.cable import cable
from tests.support.client import Client, Received, open_client, request, stdout
from tests.support.fake_kernel import FakeKernel, fake_kernel, header
from tests.support.log import listening as listening_to_log
from tests.support.rest import Rest, open_rest
from tests.support.serving import TOKEN, Served, serving
from tests.support.successors import Kernels
from tests.support.waiting import busy, lost, ready, until
from w2z.kernel.actions import Action, Found
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping import listening
from w2z.kernel.keeping.listening import probe
from w2z.kernel.life import Life
from w2z.kernel.process.specs import InstalledSpec, find
from w2z.message import Channel, Message
from w2z.timing import Timing

AUTH = f"Authorization: token {TOKEN}"
ONE = "/api/kernels/the-kernel"

DEAD_AFTER = 0.05


class Looks:
    """What w2z's turns of looking at the kernel came to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.echoes = 0
        self.found: list[Found] = []
        poll, on_echo = Life.poll, Life.on_echo

        def count(life: Life, now: float) -> list[Action]:
            self.count += 1
            return poll(life, now)

        def count_echo(life: Life) -> list[Action]:
            self.echoes += 1
            return on_echo(life)

        async def note(info: ConnectionInfo, seconds: float) -> tuple[Found, ConnectionInfo]:
            found, where = await probe(info, seconds)
            self.found.append(found)
            return found, where

        monkeypatch.setattr(Life, "poll", count)
        monkeypatch.setattr(Life, "on_echo", count_echo)
        monkeypatch.setattr("w2z.kernel.keeping.attached.probe", note)

    async def more(self, number: int) -> None:
        """Wait for so many turns."""
        wanted = self.count + number
        await until(lambda: self.count >= wanted, f"{number} more turns of looking")

    async def echoed(self) -> None:
        """Wait for the kernel's heartbeat."""
        await until(lambda: self.echoes, "the kernel's heartbeat answers")

    async def probed(self, number: int) -> list[Found]:
        """Wait for so many tries of the kernel's port; what they found."""
        wanted = len(self.found) + number
        await until(lambda: len(self.found) >= wanted, f"{number} more tries of the port")
        return self.found[-number:]


SOON = Timing(
    look=0.002,
    tick=0.002,
    first_repeat=0.01,
    left_alone=0,
    beat_every=0.02,
    dead_after=DEAD_AFTER,
    probe_every=0.01,
)
"""Everything happens soon, in the proportions of the real times."""


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


@pytest.fixture
async def kernels(tmp_path: Path, nothing_is_left: None) -> AsyncIterator[Kernels]:
    made = Kernels(tmp_path)
    await made.start()
    yield made
    await made.hang_up()


@pytest.fixture
async def served(kernels: Kernels) -> AsyncIterator[Served]:
    async with serving(kernels.now.connection_file, timing=SOON) as found:
        await ready(found.bridge.kernel)
        yield found


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with open_client(served.url("a"), "v1") as found:
        yield found


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Rest]:
    async with rest_of(served) as found:
        yield found


@asynccontextmanager
async def rest_of(served: Served) -> AsyncIterator[Rest]:
    async with open_rest(f"http://{served.host}:{served.port}", AUTH) as found:
        yield found


async def say_nothing(identity: bytes, asked: Message) -> None:
    """Answer nobody who asks whether the kernel is ready."""


async def ask(client: Client, kernel: FakeKernel) -> list[Received]:
    """Ask the kernel something; what the client gets up to the answer."""
    sent = await client.send(request("odd_request"))
    identity, message = await kernel.received.get()
    assert json.loads(message.header) == sent
    await kernel.reply(identity, message, "odd_reply", {})
    return await client.collect("odd_reply")


# Another kernel in its place.


@pytest.mark.parametrize("session", ["second", None])
async def test_another_kernel_in_its_place_is_announced(
    served: Served, client: Client, kernels: Kernels, session: str | None
) -> None:
    if session is None:
        # As IRkernel's: every kernel's headers have the asker's session.
        await kernels.replace(None)
        await until_announced(client, "idle")
    second = await kernels.replace(session)
    assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
    assert served.bridge.kernel.is_ready
    assert announced(await ask(client, second)) == []


async def test_an_announcement_is_shaped_like_a_jupyter_servers(
    client: Client, kernels: Kernels
) -> None:
    await kernels.replace("second")
    found = await until_announced(client, "restarting")
    status = found[-1]
    said = [message for message in found if message.msg_type == "stream"]
    assert stdout(said) == "w2z: another kernel has taken its place\n"
    assert said[0].content["name"] == "stderr"
    assert status.content == {
        "execution_state": "restarting",
        "reason": "another kernel has taken its place",
    }
    for message in (*said, status):
        assert message.channel == "iopub"
        assert (message.parent_header, message.metadata, message.buffers) == ({}, {}, [])
        assert set(message.header) == {
            "msg_id",
            "msg_type",
            "username",
            "session",
            "date",
            "version",
        }
        assert all(isinstance(value, str) and value for value in message.header.values())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", message.header["date"])
    idle = (await until_announced(client, "idle"))[-1]
    assert idle.content == {"execution_state": "idle"}
    assert idle.header["msg_id"] != status.header["msg_id"]


async def test_requests_sent_while_no_kernel_is_there_go_to_the_next(
    served: Served, client: Client, kernels: Kernels
) -> None:
    first = kernels.now
    await kernels.hang_up()
    await lost(served.bridge.kernel)
    sent = [await client.send(request("odd_request", {"n": n})) for n in range(100)]
    second = await kernels.start("second")
    got = [json.loads((await second.received.get())[1].header) for _ in sent]
    assert got == sent
    assert first.received.empty()


async def test_what_was_under_way_to_a_dead_kernel_does_not_reach_the_next(
    client: Client, kernels: Kernels
) -> None:
    kernels.now.reads_shell.clear()
    for n in range(6):
        content = {"n": n, "padding": "x" * 1_000_000}
        await client.send(request("odd_request", content))
    # w2z has taken it all, and still has what the network does not hold.
    await (await client.websocket.ping())
    second = await kernels.replace("second")
    await until_announced(client, "restarting")
    await ask(client, second)
    assert second.received.empty()


async def test_nor_does_it_from_one_that_hung_up_bit_by_bit(
    served: Served, client: Client, kernels: Kernels
) -> None:
    """As long as its heartbeat is connected, iopub's connection alone may have failed."""
    life = served.bridge.kernel.life
    kernels.now.reads_shell.clear()
    for n in range(6):
        await client.send(request("odd_request", {"n": n, "padding": "x" * 1_000_000}))
    await (await client.websocket.ping())
    kernels.now.on_kernel_info = say_nothing
    kernels.now.socket(Channel.IOPUB).close(0)
    await lost(served.bridge.kernel)
    await until(lambda: not life.is_leaving, "the sockets are kept")
    assert served.bridge.kernel.link.channels.is_unbroken
    second = await kernels.replace("second")
    await until_announced(client, "restarting")
    await ask(client, second)
    assert second.received.empty()


async def test_a_cell_that_died_with_its_kernel_does_not_run_in_the_next(
    served: Served, client: Client, kernels: Kernels, rest: Rest
) -> None:
    cell = header("execute_request")
    await kernels.now.iopub("status", {"execution_state": "busy"}, cell)
    await client.until("status", cell)
    assert (await rest.json(f"GET {ONE}"))["execution_state"] == "busy"
    await kernels.replace("second")
    await until_announced(client, "restarting")
    told = await client.until("status")
    assert told.content == {"execution_state": "idle"}
    await ready(served.bridge.kernel)
    assert (await rest.json(f"GET {ONE}"))["execution_state"] == "idle"


async def test_a_restart_that_a_client_asked_for_is_told_to_it_and_not_as_a_mishap(
    served: Served, client: Client, kernels: Kernels, rest: Rest, looks: Looks
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        identity, message = await kernels.now.received.get()
        assert json.loads(message.content) == {"restart": True}
        kernels.now.linger = 60_000
        await kernels.now.reply(identity, message, "shutdown_reply", {"restart": True})
        second = await kernels.replace("second")
    assert (await asked).status == 200
    assert (await asked).json["execution_state"] == "idle"
    await looks.more(3)
    found = await ask(client, second)
    assert [text for text in announced(found) if text != "idle"] == []
    assert stdout(found) == ""


async def test_a_busy_kernel_is_interrupted_and_told_to_end_before_requests_go_to_the_next(
    served: Served, client: Client, kernels: Kernels, rest: Rest
) -> None:
    first, cell = kernels.now, header("execute_request")
    await first.iopub("status", {"execution_state": "busy"}, cell)
    await busy(served.bridge.kernel)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        assert await told(first) == ("interrupt_request", {})
        # What it says to that is the last of this kernel, not the first of the next.
        await first.iopub("stream", {"name": "stderr", "text": "interrupted"}, cell)
        await first.iopub("status", {"execution_state": "idle"}, cell)
        sent = await client.send(request("odd_request"))
        assert await told(first) == ("shutdown_request", {"restart": True})
        second = await kernels.replace("second")
        assert (await asked).status == 200
    assert first.received.empty()
    _, message = await second.received.get()
    assert json.loads(message.header) == sent


# Something else in the place of its connection file.


def put_in_place(path: Path, make: Callable[[Path], object]) -> None:
    """Let something else be at ``path``, at once."""
    other = path.with_suffix(".other")
    make(other)
    other.replace(path)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**36)


ELSE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "it is no regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
    "64 GiB": (huge, "it is larger than 65536 bytes"),
    "another's": (lambda path: path.write_text('{"ip": "a b"}'), "shell_port: Field required"),
}


@pytest.mark.parametrize(("make", "told"), ELSE.values(), ids=ELSE)
async def test_what_is_no_connection_file_is_told_once_and_the_kernel_stays(
    served: Served,
    client: Client,
    kernels: Kernels,
    looks: Looks,
    make: Callable[[Path], object],
    told: str,
) -> None:
    path = kernels.now.connection_file
    whole = path.read_bytes()
    with listening_to_log() as heard:
        put_in_place(path, make)
        await heard.line("the connection file changed to one that cannot be used", told)
        await looks.more(10)
        assert len(heard.lines) == 1
        assert announced(await ask(client, kernels.now)) == []
        put_in_place(path, lambda path: path.write_bytes(whole))
        await looks.more(10)
        assert announced(await ask(client, kernels.now)) == []
        assert len(heard.lines) == 1


async def test_ports_that_the_next_kernel_has_yet_to_choose_are_waited_for(
    served: Served, client: Client, kernels: Kernels, looks: Looks
) -> None:
    path = kernels.now.connection_file
    fields = json.loads(path.read_bytes())
    unset = {name: 0 for name in fields if name.endswith("_port")}
    with listening_to_log() as heard:
        put_in_place(path, lambda path: path.write_text(json.dumps(fields | unset)))
        await looks.more(10)
        assert heard.lines == []
        assert announced(await ask(client, kernels.now)) == []
    second = await kernels.replace("second")
    assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
    assert announced(await ask(client, second)) == []


async def test_a_file_system_that_does_not_answer_holds_up_nothing(
    served: Served, client: Client, kernels: Kernels, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hang(path: Path, before: object) -> None:
        asked.set()
        answers.wait(30)

    monkeypatch.setattr("w2z.kernel.keeping.attached._look_at", hang)
    await until(asked.is_set, "the file is looked at")
    await looks.more(10)
    assert announced(await ask(client, kernels.now)) == []
    answers.set()


async def told(kernel: FakeKernel) -> tuple[str, Any]:
    """What the kernel is told next, by whomever."""
    _, message = await kernel.received.get()
    return json.loads(message.header)["msg_type"], json.loads(message.content)


async def test_one_whose_place_is_taken_while_it_is_interrupted_ends_no_other(
    served: Served, kernels: Kernels, rest: Rest
) -> None:
    await kernels.now.iopub("status", {"execution_state": "busy"}, header("execute_request"))
    await busy(served.bridge.kernel)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        assert await told(kernels.now) == ("interrupt_request", {})
        second = await kernels.replace("second")
        assert (await asked).status == 200
    assert second.received.empty()
    assert served.bridge.kernel.life.session == "second"


async def test_where_nobody_is_there_a_restart_waits_and_ends_nobody(
    client: Client, kernels: Kernels, rest: Rest
) -> None:
    await kernels.hang_up()
    await until_announced(client, "dead")
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        await client.send(request("odd_request"))
        await (await client.websocket.ping())
        second = await kernels.start("second")
        assert (await asked).status == 200
    assert await told(second) == ("odd_request", {})
    assert second.received.empty()


async def test_a_restart_that_is_asked_for_during_a_cut_happens_after_it(
    kernels: Kernels, tmp_path: Path
) -> None:
    first = kernels.now
    fields = json.loads(first.connection_file.read_text())
    async with cable(f"tcp://{fields['ip']}:{fields['iopub_port']}") as iopub:
        path = tmp_path / "through-the-cable.json"
        path.write_text(json.dumps({**fields, "iopub_port": int(iopub.url.rpartition(":")[2])}))
        async with serving(path, timing=SOON) as served, rest_of(served) as rest:
            await ready(served.bridge.kernel)
            async with asyncio.TaskGroup() as tasks:
                with iopub.down():
                    await lost(served.bridge.kernel)
                    asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
                    await rest_has_begun(served)
                # The same is back, and so it was no restart.
                assert await told(first) == ("shutdown_request", {"restart": True})
                await kernels.replace("second")
                assert (await asked).status == 200
            assert served.bridge.kernel.life.session == "second"


async def rest_has_begun(served: Served) -> None:
    await until(served.keeper.restarting.locked, "a restart is under way")


async def test_a_restart_that_nobody_waits_for_any_more_leaves_the_kernel_as_it_was(
    served: Served, client: Client, kernels: Kernels
) -> None:
    cell = header("execute_request")
    await kernels.now.iopub("status", {"execution_state": "busy"}, cell)
    await busy(served.bridge.kernel)
    async with asyncio.TaskGroup() as tasks:
        restarting = tasks.create_task(served.keeper.restart())
        assert await told(kernels.now) == ("interrupt_request", {})
        restarting.cancel()
    await kernels.now.iopub("status", {"execution_state": "idle"}, cell)
    await ready(served.bridge.kernel)
    assert announced(await ask(client, kernels.now)) == []


async def test_one_that_is_not_there_is_not_told_to_end(
    served: Served, client: Client, kernels: Kernels
) -> None:
    await kernels.hang_up()
    await lost(served.bridge.kernel)
    await served.keeper.end()
    second = await kernels.start("second")
    await until_announced(client, "idle")
    await ask(client, second)
    assert second.received.empty()


async def test_at_w2zs_end_the_kernel_is_left_to_its_starter(
    served: Served, kernels: Kernels, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    served.keeper.forward(signal.SIGUSR1)
    assert caplog.messages[-1] == "SIGUSR1: not passed on, w2z did not start the kernel"
    await served.keeper.stop()
    served.keeper.hurry()
    await ask(client, kernels.now)
    assert kernels.now.received.empty()


# Before w2z looks again.


async def test_a_kernel_that_hangs_up_as_soon_as_it_is_ready_is_missed(
    kernels: Kernels,
) -> None:
    async with (
        serving(kernels.now.connection_file, timing=replace(SOON, look=0.5)) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(served.bridge.kernel)
        await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]
        for session in ("second", "third"):
            # The second one goes before w2z has looked at it, too.
            await kernels.start(session)
            assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
            await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]


async def test_a_kernel_that_took_requests_and_never_answered_w2z_can_die(
    kernels: Kernels,
) -> None:
    kernels.now.on_kernel_info = say_nothing
    async with (
        serving(kernels.now.connection_file, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        await kernels.now.subscribed.wait()
        await kernels.now.iopub("status", {"execution_state": "starting"})
        await ask(client, kernels.now)
        assert not served.bridge.kernel.is_ready
        await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]
        second = await kernels.start("second")
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        await ask(client, second)


async def test_requests_reach_a_successor_after_clients_heard_of_it(
    kernels: Kernels,
) -> None:
    """Or frontends give up what already runs, and the model forgets that it does."""
    async with (
        serving(kernels.now.connection_file, timing=replace(SOON, look=0.5)) as served,
        open_client(served.url("a"), "v1") as client,
        rest_of(served) as rest,
    ):
        await ask(client, kernels.now)
        await kernels.hang_up()
        await lost(served.bridge.kernel)
        cell = await client.send(request("execute_request"))
        second = await kernels.start("second")
        identity, message = await second.received.get()
        assert json.loads(message.header) == cell
        await second.iopub("status", {"execution_state": "busy"}, cell)
        found = [await client.recv()]
        while (found[-1].msg_type, found[-1].parent_header) != ("status", cell):
            found.append(await client.recv())
        assert announced(found) == ["restarting", "idle"]
        assert (await rest.json(f"GET {ONE}"))["execution_state"] == "busy"
        await second.reply(identity, message, "execute_reply", {"status": "ok"})
        assert announced(await client.collect("execute_reply")) == []


async def test_a_successor_that_speaks_before_it_answers_is_sent_nothing_before_it_has(
    served: Served, client: Client, kernels: Kernels
) -> None:
    infos: asyncio.Queue[tuple[bytes, Message]] = asyncio.Queue()

    async def keep(identity: bytes, message: Message) -> None:
        await infos.put((identity, message))

    await kernels.hang_up()
    await lost(served.bridge.kernel)
    sent = await client.send(request("odd_request"))
    second = await kernels.start("second")
    second.on_kernel_info = keep
    await second.subscribed.wait()
    await second.iopub("stream", {"name": "stdout", "text": "hello"})
    assert announced(await client.collect("stream")) == []
    for _ in range(4):
        asked = await infos.get()
    assert second.received.empty()
    await second.answer_info(*asked)
    assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
    _, message = await second.received.get()
    assert json.loads(message.header) == sent


# Another connection file.


async def test_on_to_the_kernel_of_a_connection_file_that_was_written_anew(
    served: Served, client: Client, kernels: Kernels, tmp_path: Path
) -> None:
    first, path = kernels.now, kernels.now.connection_file
    (tmp_path / "other").mkdir()
    async with fake_kernel(tmp_path / "other", key="another key") as second:
        second.session = "second"
        text = second.connection_file.read_text()
        path.write_text(text)
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        await ask(client, second)
        # The one before is still there, and not asked any more.
        assert first.received.empty()
        await first.iopub("stream", {"name": "stdout", "text": "from the first"})
        assert "stream" not in [message.msg_type for message in await ask(client, second)]
        await lost_by_hand(served, kernels)


async def lost_by_hand(served: Served, kernels: Kernels) -> None:
    """The end of a kernel that is not served any more changes nothing."""
    await kernels.hang_up()
    assert served.bridge.kernel.is_ready


async def test_half_a_file_changes_nothing_until_it_is_whole(
    served: Served, client: Client, kernels: Kernels, tmp_path: Path, looks: Looks
) -> None:
    first, path = kernels.now, kernels.now.connection_file
    (tmp_path / "other").mkdir()
    async with fake_kernel(tmp_path / "other", key="another key") as second:
        second.session = "second"
        text = second.connection_file.read_text()
        for half in (text[:1], text[: len(text) // 2], text[:-1]):
            path.write_text(half)
            await looks.more(2)
            assert announced(await ask(client, first)) == []
        path.unlink()
        await looks.more(2)
        assert announced(await ask(client, first)) == []
        path.write_text(text)
        await until_announced(client, "restarting")
        await ask(client, second)


async def test_a_file_that_cannot_be_used_is_told_once_and_changes_nothing(
    client: Client, kernels: Kernels, looks: Looks, caplog: pytest.LogCaptureFixture
) -> None:
    path = kernels.now.connection_file
    right = path.read_text()
    path.write_text(json.dumps({**json.loads(right), "transport": "carrier pigeon"}))
    await looks.more(5)
    assert announced(await ask(client, kernels.now)) == []
    told = [one for one in caplog.messages if "cannot be used" in one]
    assert len(told) == 1
    assert "transport" in told[0]
    # The same again is no news.
    path.write_text(right)
    await looks.more(2)
    assert announced(await ask(client, kernels.now)) == []


async def test_a_kernel_that_never_was_ready_is_left_for_another_without_a_word(
    kernels: Kernels, tmp_path: Path
) -> None:
    kernels.now.on_kernel_info = say_nothing
    (tmp_path / "other").mkdir()
    async with (
        serving(kernels.now.connection_file, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
        fake_kernel(tmp_path / "other") as second,
    ):
        kernels.now.connection_file.write_text(second.connection_file.read_text())
        assert announced(await ask(client, second)) == []


async def test_a_name_with_several_addresses_leads_to_the_kernel_at_one_of_them(
    kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZMQ takes the first of them, at which nobody is."""
    fields, nobody = json.loads(kernels.now.connection_file.read_text()), "127.45.67.89"

    def look_up(host: str, port: int, **more: Any) -> list[Any]:
        assert host == "kernel.invalid"
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*found, (ip, port)) for ip in (nobody, fields["ip"])]

    path = tmp_path / "named.json"
    path.write_text(json.dumps({**fields, "ip": "kernel.invalid"}))
    async with (
        serving(path, timing=SOON) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", look_up)
            await ready(served.bridge.kernel)
            assert served.bridge.kernel.connection_info.ip == fields["ip"]
            await ask(client, kernels.now)
            second = await kernels.replace("second")
            await until_announced(client, "restarting")
            await ask(client, second)


# The same kernel.


async def test_a_connection_that_is_cut_is_not_a_restart(
    kernel: FakeKernel, tmp_path: Path, looks: Looks
) -> None:
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://127.0.0.1:{fields['iopub_port']}") as iopub:
        fields["iopub_port"] = int(iopub.url.rpartition(":")[2])
        path = tmp_path / "through-the-cable.json"
        path.write_text(json.dumps(fields))
        async with (
            serving(path, timing=SOON) as served,
            open_client(served.url("a"), "v1") as client,
        ):
            for _ in range(2):
                await ready(served.bridge.kernel)
                await looks.more(2)
                iopub.cut()
                await lost(served.bridge.kernel)
                await ready(served.bridge.kernel)
                await looks.more(2)
                assert announced(await ask(client, kernel)) == []


async def test_a_kernel_that_does_not_echo_is_not_dead_as_long_as_its_port_is_open(
    served: Served, client: Client, kernels: Kernels, looks: Looks
) -> None:
    await looks.echoed()
    kernels.now.beats.clear()
    assert await looks.probed(5) == [Found.LISTENING] * 5
    assert announced(await ask(client, kernels.now)) == []
    kernels.now.beats.set()
    await looks.more(5)
    assert announced(await ask(client, kernels.now)) == []
    assert served.bridge.kernel.is_ready


# Death.


async def test_a_kernel_that_hung_up_and_refuses_is_dead_until_another_is_there(
    served: Served, client: Client, kernels: Kernels, rest: Rest, looks: Looks
) -> None:
    await kernels.hang_up()
    found = await until_announced(client, "dead")
    assert announced(found) == ["dead"]
    assert found[-1].content == {"execution_state": "dead", "reason": "the kernel ended"}
    assert (found[-1].parent_header, found[-1].metadata) == ({}, {})
    assert stdout(found) == "w2z: the kernel ended\n"
    assert (await rest.json(f"GET {ONE}"))["execution_state"] == "dead"
    assert await rest.json("GET /readyz", status=503) == {"ready": False}
    await looks.more(5)
    second = await kernels.start("second")
    assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
    await ask(client, second)
    assert (await rest.json(f"GET {ONE}"))["execution_state"] == "idle"
    assert await rest.json("GET /readyz") == {"ready": True}


async def test_each_kernel_can_die(served: Served, client: Client, kernels: Kernels) -> None:
    for session in ("second", "third"):
        await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]
        await kernels.start(session)
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]


async def test_the_last_words_of_a_kernel_reach_its_clients_and_make_nobody_ready(
    kernels: Kernels,
) -> None:
    kernel = kernels.now
    kernel.linger = 60_000
    # Enough for a machine that has more to do.
    timing = replace(SOON, last_words=10)
    async with (
        serving(kernel.connection_file, timing=timing) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(served.bridge.kernel)
        sent = await client.send(request("odd_request"))
        identity, message = await kernel.received.get()
        for n in range(2000):
            await kernel.iopub("stream", {"name": "stdout", "text": f"{n}\n"}, sent)
        await kernel.reply(identity, message, "odd_reply", {"last": True})
        await kernels.hang_up()
        found = await until_announced(client, "dead")
    mine = [m for m in found if m.parent_header.get("msg_id") == sent["msg_id"]]
    assert stdout(mine) == "".join(f"{n}\n" for n in range(2000))
    assert [m.content for m in mine if m.msg_type == "odd_reply"] == [{"last": True}]
    assert announced(found) == ["dead"]


# Interrupt.


async def interrupted(kernel: FakeKernel, rest: Rest, **content: Any) -> tuple[int, str]:
    """Ask for an interrupt, which the kernel answers so; status and message."""
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/interrupt"))
        identity, message = await kernel.received.get()
        assert (message.channel, message.content) == (Channel.CONTROL, b"{}")
        assert json.loads(message.header)["msg_type"] == "interrupt_request"
        await kernel.reply(identity, message, "interrupt_reply", content)
    answer = await asked
    return answer.status, answer.json["message"] if answer.body else ""


@asynccontextmanager
async def known_as(
    implementation: str | None, kernel: FakeKernel, **durations: float
) -> AsyncIterator[Rest]:
    """w2z in front of a kernel that says it is that, and has no installed spec."""
    kernel.info = {"status": "ok", "implementation": implementation}
    timing = replace(SOON, **durations)
    async with serving(kernel.connection_file, timing=timing) as served, rest_of(served) as rest:
        await ready(served.bridge.kernel)
        yield rest


async def test_an_unknown_kernel_that_stops_was_interrupted(kernels: Kernels) -> None:
    kernel = kernels.now
    cell = header("execute_request")
    async with known_as("a new one", kernel) as rest:
        await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await rest.kernel(execution_state="busy")
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(interrupted(kernel, rest, status="ok"))
            await kernel.iopub("status", {"execution_state": "idle"}, cell)
        assert asked.result() == (204, "")


async def test_an_unknown_kernel_that_says_ok_and_goes_on_is_504_with_advice(
    kernels: Kernels,
) -> None:
    kernel = kernels.now
    async with known_as("a new one", kernel, stops_within=0.01) as rest:
        await kernel.iopub("status", {"execution_state": "busy"}, header("execute_request"))
        await rest.kernel(execution_state="busy")
        status, told = await interrupted(kernel, rest, status="ok")
    assert status == 504
    assert "is still running" in told
    assert "--interrupt-mode signal" in told


async def test_a_known_kernel_is_taken_at_its_word(kernels: Kernels) -> None:
    kernel = kernels.now
    async with known_as("ipython", kernel) as rest:
        await kernel.iopub("status", {"execution_state": "busy"}, header("execute_request"))
        await rest.kernel(execution_state="busy")
        assert await interrupted(kernel, rest, status="ok") == (204, "")


@pytest.mark.parametrize("implementation", ["a new one", "JJava", None])
async def test_a_kernel_that_refuses_is_504(kernels: Kernels, implementation: str | None) -> None:
    async with known_as(implementation, kernels.now) as rest:
        refused = await interrupted(kernels.now, rest, status="error", evalue="not today")
    assert refused == (504, "the kernel refused to be interrupted: not today")


@pytest.mark.parametrize("implementation", ["a new one", "JJava", None])
async def test_a_silent_kernel_is_504(
    kernels: Kernels, implementation: str | None, served: Served
) -> None:
    async with known_as(implementation, kernels.now, interrupt=0.01) as rest:
        refused = await rest.json(f"POST {ONE}/interrupt", status=504)
    assert "did not answer interrupt_request within 0.01 seconds" in refused["message"]


@pytest.mark.parametrize("implementation", ["Deno kernel", "xeus-python"])
async def test_a_kernel_known_to_take_nothing_is_501_and_left_alone(
    kernels: Kernels, implementation: str
) -> None:
    async with known_as(implementation, kernels.now) as rest:
        refused = await rest.json(f"POST {ONE}/interrupt", status=501)
        assert refused["message"].startswith(f"{implementation} cannot be interrupted")
    assert kernels.now.received.empty()


async def test_a_kernel_that_takes_signals_only_and_cannot_be_seen_is_501_with_advice(
    kernels: Kernels,
) -> None:
    """Its ports are this very process's, which w2z does not signal."""
    async with known_as("IRkernel", kernels.now) as rest:
        refused = await rest.json(f"POST {ONE}/interrupt", status=501)
    assert "shareProcessNamespace" in refused["message"]
    assert "w2z --kernel" in refused["message"]
    assert kernels.now.received.empty(), "it does not take a message"


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_kernel_that_does_not_take_the_message_is_sent_the_signal(
    kernels: Kernels, is_silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(listening, "shell_owner", lambda info, deadline: info.shell_port)
    monkeypatch.setattr("os.kill", lambda *told: sent.append(told))
    seconds = 0.01 if is_silent else 60
    async with known_as("ipython", kernels.now, interrupt=seconds) as rest:
        if is_silent:
            await rest.done(f"POST {ONE}/interrupt")
        else:
            assert await interrupted(kernels.now, rest, status="error") == (204, "")
    assert sent == [(kernels.now.ports["shell_port"], signal.SIGINT)]


async def test_a_process_that_may_not_be_signalled_is_501_with_advice(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(listening, "shell_owner", lambda info, deadline: 1)
    monkeypatch.setattr("os.kill", refuse)
    async with known_as("IRkernel", kernels.now) as rest:
        refused = await rest.json(f"POST {ONE}/interrupt", status=501)
    assert "may not be signalled: Operation not permitted" in refused["message"]
    assert "as the same user" in refused["message"]


def rename(kernel: FakeKernel, name: str) -> None:
    """What the connection file calls the kernel from now on."""
    fields = json.loads(kernel.connection_file.read_text())
    kernel.connection_file.write_text(json.dumps({**fields, "kernel_name": name}))


@asynccontextmanager
async def busy_since_ever(
    name: str, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, **durations: float
) -> AsyncIterator[Rest]:
    """w2z in front of a kernel of that name that has not answered yet, without a kernelspec."""

    async def say_nothing(identity: bytes, message: Message) -> None:
        pass

    monkeypatch.setattr("w2z.kernel.process.specs.directories", list)
    kernel.on_kernel_info = say_nothing
    rename(kernel, name)
    timing = replace(SOON, **durations)
    async with serving(kernel.connection_file, timing=timing) as served, rest_of(served) as rest:
        yield rest


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What would have been sent; the process of a port has its number."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(listening, "shell_owner", lambda info, deadline: info.shell_port)
    monkeypatch.setattr("os.kill", lambda *told: sent.append(told))
    return sent


async def test_a_kernel_that_never_answered_is_interrupted_as_its_name_tells(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    """IRkernel has one thread, which runs the cell."""
    async with busy_since_ever("ir", kernels.now, monkeypatch) as rest:
        await rest.done(f"POST {ONE}/interrupt")
    assert signals == [(kernels.now.ports["shell_port"], signal.SIGINT)]
    assert kernels.now.received.empty(), "it does not take a message"


async def test_a_kernel_that_leaves_the_message_unanswered_is_sent_the_signal_by_its_name(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    async with busy_since_ever("python3", kernels.now, monkeypatch, interrupt=0.01) as rest:
        await rest.done(f"POST {ONE}/interrupt")
    assert signals == [(kernels.now.ports["shell_port"], signal.SIGINT)]
    assert not kernels.now.received.empty()


async def test_a_kernel_whose_name_tells_that_it_takes_nothing_is_501_and_left_alone(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    async with busy_since_ever("deno", kernels.now, monkeypatch) as rest:
        refused = await rest.json(f"POST {ONE}/interrupt", status=501)
    assert refused["message"].startswith("deno cannot be interrupted: it dies of SIGINT")
    assert (signals, kernels.now.received.empty()) == ([], True)


@pytest.fixture
def looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; the spec of "fake" spells out that it takes the signal."""
    folder = tmp_path / "share/kernels/fake"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": ["x"], "interrupt_mode": "signal"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    names: list[str] = []

    def find_too(name: str) -> InstalledSpec | None:
        names.append(name)
        return find(name)

    monkeypatch.setattr("w2z.kernel.process.specs.find", find_too)
    return names


async def test_what_the_installed_spec_says_is_looked_up_once(
    kernels: Kernels, looked_up: list[str], signals: list[tuple[int, int]]
) -> None:
    async with known_as("xeus-python", kernels.now) as rest:
        for _ in range(3):
            await rest.done(f"POST {ONE}/interrupt")
        assert (await rest.json("GET /api/kernelspecs"))["default"] == "fake"
    assert [number for _, number in signals] == 3 * [signal.SIGINT]
    assert looked_up == ["fake"]


async def test_nothing_is_looked_up_where_the_operator_said_how(
    kernels: Kernels, looked_up: list[str], signals: list[tuple[int, int]]
) -> None:
    kernel = kernels.now
    async with (
        serving(kernel.connection_file, interrupt_mode="message") as served,
        rest_of(served) as rest,
    ):
        await ready(served.bridge.kernel)
        assert await interrupted(kernel, rest, status="ok") == (204, "")
    assert (looked_up, signals) == ([], [])


async def test_a_lookup_that_hangs_does_not_hold_up_an_interrupt(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("w2z.kernel.process.specs.LOOKUP_TIMEOUT", 0)
    monkeypatch.setattr("w2z.kernel.process.specs.find", lambda name: go_on.wait())
    async with known_as("ipython", kernels.now) as rest:
        assert await interrupted(kernels.now, rest, status="ok") == (204, "")
    go_on.set()

"""What becomes of a request: it is known for what it is, answered once, and not executed twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cable import cable
from tests.support.client import (
    Client,
    Received,
    eager_client,
    execute_request,
    request,
    v1_payload,
)
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.raw_websocket import PING, PONG, frame, raw_websocket
from tests.support.raw_websocket import message as frame_of
from tests.support.serving import Served, serving
from tests.support.successors import Kernels
from tests.support.timing import QUICK
from w2z.delivery.session import OFFSETS
from w2z.kernel.sockets.options import SEND_MARK
from w2z.message import Channel, Message

both = pytest.mark.parametrize("wire", ["v1", "default"])

LOST = "the connection to the kernel ended, and this was not answered"


@pytest.fixture
async def kernels(tmp_path: Path, nothing_is_left: None) -> AsyncIterator[Kernels]:
    made = Kernels(tmp_path)
    await made.start()
    yield made
    await made.hang_up()


@pytest.fixture
async def served(kernels: Kernels) -> AsyncIterator[Served]:
    async with serving(kernels.now.connection_file, timing=QUICK) as found:
        await until(lambda: found.bridge.kernel.is_ready)
        yield found


async def until(condition: Callable[[], Any]) -> None:
    """Give the event loop turns until something it brings about is there."""
    while not condition():
        await asyncio.sleep(0)


async def ask(client: Client, kernel: FakeKernel, asked: dict[str, Any]) -> tuple[bytes, Message]:
    """Send a request and see it arrive at the kernel."""
    await client.send(asked)
    return await kernel.received.get()


async def answers(client: Client, asked: dict[str, Any]) -> list[Received]:
    """What the client gets for a request, up to its reply and its idle: either may be first."""
    found: list[Received] = []
    while not {"reply", "idle"} <= {
        m.content.get("execution_state") or m.msg_type.rpartition("_")[2] for m in found
    }:
        message = await client.recv()
        if message.parent_header == asked["header"]:
            found.append(message)
    return found


def told(messages: list[Received]) -> list[tuple[str, str, str | None]]:
    """Channels, types and what they say of how it went."""
    return [
        (m.channel, m.msg_type, m.content.get("status") or m.content.get("execution_state"))
        for m in messages
    ]


FAILED = [
    ("iopub", "error", None),
    ("shell", "execute_reply", "error"),
    ("iopub", "status", "idle"),
]
"""What a client is told of code that failed."""

# Its type.


@pytest.mark.parametrize("restart", [True, False])
async def test_the_end_is_asked_for_by_a_type_however_it_is_spelled(
    served: Served, kernels: Kernels, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        served.bridge.kernel, "on_shutdown_request", lambda *, restart: asked.append(restart)
    )
    async with eager_client(served.url("a"), "v1") as client:
        header = b'{"msg_id":"1","msg_type":"shutdown\\u005frequest"}'
        content = json.dumps({"restart": restart}).encode()
        await client.websocket.send(v1_payload([b"control", header, b"", b"", content]))
        await kernels.now.received.get()
        assert asked == [restart]


async def test_the_end_is_not_asked_for_by_what_only_mentions_it(
    served: Served, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        served.bridge.kernel, "on_shutdown_request", lambda *, restart: asked.append(restart)
    )
    async with eager_client(served.url("a"), "default") as client:
        sent = request("comm_msg", {"msg_type": "shutdown_request"}, channel="control")
        sent["header"]["parent"] = {"msg_type": "shutdown_request"}
        await client.send(sent)
        await kernels.now.received.get()
        assert asked == []


# Its kernel is lost.


@both
async def test_what_a_kernel_had_and_did_not_answer_is_answered_when_it_is_lost(
    served: Served, kernels: Kernels, wire: str
) -> None:
    running, queued = execute_request("running"), execute_request("queued")
    others = [request("complete_request"), request("interrupt_request", channel="control")]
    async with eager_client(served.url("a"), wire) as client:
        for asked in (running, queued, *others):
            await ask(client, kernels.now, asked)
        await kernels.hang_up()
        assert told(await answers(client, running)) == FAILED
        found = await answers(client, queued)
        assert told(found) == FAILED
        for message in found[:2]:
            assert message.content["ename"] == "KernelLost"
            assert message.content["evalue"].startswith(LOST)
            assert message.content["traceback"] == [f"KernelLost: {message.content['evalue']}"]
        assert found[1].parent_header == queued["header"]
        for asked, channel, reply in (
            (others[0], "shell", "complete_reply"),
            (others[1], "control", "interrupt_reply"),
        ):
            found = await answers(client, asked)
            assert told(found) == [(channel, reply, "error"), ("iopub", "status", "idle")]


async def test_what_was_answered_or_is_never_answered_is_not_answered_again(
    served: Served, kernels: Kernels
) -> None:
    answered, lost = execute_request("answered"), execute_request("lost")
    never = [
        request("comm_msg", {"comm_id": "1", "data": {}}),
        request("input_reply", {"value": "1"}, channel="stdin"),
        request("odd", {}),
    ]
    async with eager_client(served.url("a"), "v1") as client:
        for asked in never:
            await ask(client, kernels.now, asked)
        await kernels.now.reply(
            *await ask(client, kernels.now, answered), "execute_reply", {"status": "ok"}
        )
        await ask(client, kernels.now, lost)
        await client.until("execute_reply")
        await kernels.hang_up()
        found = [await client.recv()]
        while found[-1].parent_header != lost["header"]:
            found.append(await client.recv())
        found += await answers(client, lost)
        assert {m.header["msg_id"] for m in found if m.header["username"] == "w2z"} == {
            m.header["msg_id"] for m in found if m.parent_header == lost["header"]
        }


async def test_who_is_away_gets_the_answer_when_it_comes_back_and_nobody_else_does(
    served: Served, kernels: Kernels
) -> None:
    cell = execute_request("1")
    async with eager_client(served.url("b"), "v1") as other:
        async with eager_client(served.url("a"), "v1") as client:
            await ask(client, kernels.now, cell)
        await until(lambda: served.bridge.clients.connections == 1)
        second = await kernels.replace("second")
        async with eager_client(served.url("a"), "default") as client:
            assert told(await answers(client, cell)) == FAILED
        await second.reply(*await ask(other, second, request("odd_request")), "odd_reply", {})
        found = await other.collect("odd_reply")
        assert cell["header"] not in [m.parent_header for m in found]


async def test_each_request_is_lost_with_one_kernel_or_executed_by_the_next(
    served: Served, kernels: Kernels
) -> None:
    """Whether it was with the kernel, on its way there, or still in w2z."""
    kernels.now.reads_shell.clear()
    cells = [execute_request(str(n), padding="x" * 100_000) for n in range(300)]
    ids = [cell["header"]["msg_id"] for cell in cells]
    async with (
        # What is not read at the end must not hold up the closing handshake.
        eager_client(served.url("a"), "v1") as client,
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(send_all(client, cells))
        [session] = served.bridge.clients.hub.sessions()
        # What is sent beyond that waits in w2z and in the client, sooner or later.
        await until(lambda: len(session.pending) >= SEND_MARK)
        second = await kernels.replace("second")
        executed: list[str] = []
        lost: list[str] = []

        async def execute() -> None:
            while True:
                _, got = await second.received.get()
                executed.append(json.loads(got.header)["msg_id"])
                await second.iopub("stream", {})

        executing = tasks.create_task(execute())
        while len(executed) + len(lost) < len(cells):
            message = await client.recv()
            if message.msg_type == "execute_reply":
                assert message.content["ename"] == "KernelLost"
                lost.append(message.parent_header["msg_id"])
        executing.cancel()
        await sending
        assert lost + executed == ids
        assert executed


async def send_all(client: Client, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        await client.send(message)


@pytest.mark.parametrize("restart", [True, False])
async def test_who_told_the_kernel_to_end_is_told_that_it_has(
    served: Served, kernels: Kernels, restart: bool
) -> None:
    end = request("shutdown_request", {"restart": restart}, channel="control")
    async with eager_client(served.url("a"), "v1") as client:
        await ask(client, kernels.now, end)
        await kernels.hang_up()
        found = await answers(client, end)
        assert told(found) == [("control", "shutdown_reply", "ok"), ("iopub", "status", "idle")]
        assert found[0].content == {"status": "ok", "restart": restart}


async def test_who_asked_what_the_kernel_was_is_told(served: Served, kernels: Kernels) -> None:
    async def say_nothing(identity: bytes, asked: Message) -> None:
        await kernels.now.received.put((identity, asked))

    kernels.now.on_kernel_info = say_nothing
    asked = request("kernel_info_request")
    async with eager_client(served.url("a"), "v1") as client:
        await ask(client, kernels.now, asked)
        await kernels.hang_up()
        found = await answers(client, asked)
        assert told(found) == [
            ("iopub", "status", "busy"),
            ("shell", "kernel_info_reply", "ok"),
            ("iopub", "status", "idle"),
        ]
        assert found[1].content == kernels.now.info


async def test_nobody_is_told_what_a_kernel_was_that_never_said_it(
    kernels: Kernels,
) -> None:
    """jupyter_client cannot read an answer without it, and asks again when there is none."""

    async def say_nothing(identity: bytes, asked: Message) -> None:
        await kernels.now.received.put((identity, asked))

    kernels.now.on_kernel_info = say_nothing
    info, cell = request("kernel_info_request"), execute_request("1")
    async with (
        serving(kernels.now.connection_file, timing=QUICK) as served,
        eager_client(served.url("a"), "v1") as client,
    ):
        await kernels.now.subscribed.wait()
        await kernels.now.iopub("status", {"execution_state": "starting"})
        await client.until("status")
        await client.send(info)
        await client.send(cell)
        while json.loads((await kernels.now.received.get())[1].header) != cell["header"]:
            pass
        await kernels.hang_up()
        found = await client.collect("execute_reply")
        assert info["header"] not in [m.parent_header for m in found]


async def test_the_reason_is_told(served: Served, kernels: Kernels) -> None:
    cell = execute_request("1")
    async with eager_client(served.url("a"), "v1") as client:
        await ask(client, kernels.now, cell)
        served.bridge.kernel.lose("the kernel was killed by signal 9 (SIGKILL)")
        found = await answers(client, cell)
        assert found[0].content["evalue"] == (
            "the kernel was killed by signal 9 (SIGKILL), and this was not answered;"
            " whether it was executed is not known"
        )
        # It is not answered twice.
        await kernels.replace("second")
        found = await client.until_state("restarting")
        assert cell["header"] not in [m.parent_header for m in found]


# An answer of w2z's own.


async def test_what_w2z_answers_ends_no_question_of_the_kernel(
    served: Served, kernels: Kernels
) -> None:
    cell, question = execute_request("input()", allow_stdin=True), header("input_request")
    prompt = as_json({"prompt": "?", "password": False})
    async with eager_client(served.url("a"), "v1") as client:
        identity, asked = await ask(client, kernels.now, cell)
        await kernels.now.iopub("status", {"execution_state": "busy"}, cell["header"])
        await client.until_state("busy")
        ask_input = Message(Channel.STDIN, as_json(question), asked.header, b"{}", prompt)
        await kernels.now.send(identity, ask_input)
        await client.until("input_request")
        await until(lambda: served.bridge.kernel.state.is_busy_for(0.2, time.monotonic()))
        info = await client.send(request("kernel_info_request"))
        await client.until("kernel_info_reply", info)
        await acknowledged(served)
    async with eager_client(served.url("a"), "v1") as client:
        assert (await client.until("input_request")).header == question


async def acknowledged(served: Served) -> None:
    """All that there is has arrived at the one client there is."""
    hub = served.bridge.clients.hub
    await until(lambda: all(s.acked == hub.position("a") // OFFSETS for s in hub.sessions()))


# It is sent again.


async def gone(served: Served) -> None:
    """Every client has left."""
    await until(lambda: served.bridge.clients.connections == 0)


async def replaced(served: Served, kernels: Kernels) -> FakeKernel:
    """Another kernel is there, and w2z knows it."""
    await kernels.hang_up()
    await until(lambda: not served.bridge.kernel.is_ready)
    return await kernels.start("second")


async def answer(kernel: FakeKernel, got: tuple[bytes, Message], text: str = "hello") -> None:
    """What a kernel says when it executes something."""
    parent = json.loads(got[1].header)
    await kernel.iopub("status", {"execution_state": "busy"}, parent)
    await kernel.iopub("stream", {"name": "stdout", "text": text}, parent)
    await kernel.reply(*got, "execute_reply", {"status": "ok"})
    await kernel.iopub("status", {"execution_state": "idle"}, parent)


async def is_next(client: Client, kernel: FakeKernel) -> None:
    """Nothing that was sent before this reaches the kernel."""
    asked = request("odd_request")
    _, got = await ask(client, kernel, asked)
    assert json.loads(got.header) == asked["header"]


@both
async def test_the_next_kernel_executes_what_the_one_before_was_sent(
    served: Served, kernels: Kernels, wire: str
) -> None:
    done, lost = execute_request("done"), execute_request("lost")
    async with eager_client(served.url("a"), wire) as client:
        await answer(kernels.now, await ask(client, kernels.now, done))
        await client.until("execute_reply")
        await ask(client, kernels.now, lost)
    second = await replaced(served, kernels)
    async with eager_client(served.url("a"), wire) as client:
        for asked in (done, lost):
            got = await ask(client, second, asked)
            assert json.loads(got[1].header) == asked["header"]
            await answer(second, got, "from the second")
            while (await client.until("stream", asked["header"])).content["text"] == "hello":
                pass


async def test_the_next_kernel_executes_it_once(served: Served, kernels: Kernels) -> None:
    cell = execute_request("1")
    async with eager_client(served.url("a"), "v1") as client:
        await ask(client, kernels.now, cell)
    await kernels.hang_up()
    await until(lambda: not served.bridge.kernel.is_ready)
    async with eager_client(served.url("a"), "v1") as replaced_one:
        # It waits in w2z, and goes with its connection.
        await replaced_one.send(cell)
        async with eager_client(served.url("a"), "v1") as client:
            await replaced_one.closed()
            second = await kernels.start("second")
            _, got = await ask(client, second, cell)
            assert json.loads(got.header) == cell["header"]
    async with eager_client(served.url("a"), "v1") as client:
        await client.send(cell)
        await is_next(client, second)


async def test_the_same_kernel_does_not_execute_again_what_it_was_sent_before_a_cut(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    """The network between failed: what is there again is the kernel that has the request."""
    cell = execute_request("1")
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://127.0.0.1:{fields['iopub_port']}") as iopub:
        path = tmp_path / "through-the-cable.json"
        path.write_text(json.dumps({**fields, "iopub_port": int(iopub.url.rpartition(":")[2])}))
        async with serving(path, timing=QUICK) as served:
            await until(lambda: served.bridge.kernel.is_ready)
            async with eager_client(served.url("a"), "v1") as client:
                identity, asked = await ask(client, kernel, cell)
                iopub.cut()
                await until(lambda: not served.bridge.kernel.is_ready)
                await until(lambda: served.bridge.kernel.is_ready)
                # The way back to who asked is there still.
                await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
                await client.until("execute_reply", cell["header"])
            async with eager_client(served.url("a"), "v1") as client:
                await client.send(cell)
                await is_next(client, kernel)


@both
async def test_a_script_of_fixed_bytes_gets_the_same_answer_when_it_runs_again(
    served: Served, kernels: Kernels, wire: str
) -> None:
    cell = request("execute_request", {"code": "print('hello')"})
    cell["header"]["msg_id"] = "1"
    runs = []
    for turn in range(3):
        async with eager_client(served.url("a"), wire) as client:
            await client.send(cell)
            if turn == 0:
                await answer(kernels.now, await kernels.now.received.get())
            runs.append(await answers(client, cell))
            await acknowledged(served)
        await gone(served)
    assert sorted(m.msg_type for m in runs[0]) == ["execute_reply", "status", "status", "stream"]
    assert runs[1:] == [runs[0]] * 2
    async with eager_client(served.url("a"), wire) as client:
        await client.send(cell)
        await is_next(client, kernels.now)


async def talk(client: Client, kernel: FakeKernel, served: Served) -> None:
    """Say more than the journal keeps for nobody."""
    for _ in range(4):
        await kernel.iopub("stream", {"name": "stdout", "text": "x" * 100_000})
        await client.until("stream")
        await acknowledged(served)


async def test_who_asks_again_long_after_what_the_kernel_is_is_told(kernels: Kernels) -> None:
    asked = request("kernel_info_request")
    async with serving(kernels.now.connection_file, replay_size=0) as served:
        await until(lambda: served.bridge.kernel.is_ready)
        async with eager_client(served.url("a"), "v1") as client:
            await client.send(asked)
            await answers(client, asked)
            await talk(client, kernels.now, served)
        async with eager_client(served.url("a"), "v1") as client:
            await client.send(asked)
            found = await answers(client, asked)
            assert found[1].content == kernels.now.info
            assert told(found) == [
                ("iopub", "status", "busy"),
                ("shell", "kernel_info_reply", "ok"),
                ("iopub", "status", "idle"),
            ]


async def test_who_repeats_what_was_answered_long_ago_is_told_so(kernels: Kernels) -> None:
    cell = execute_request("1")
    async with serving(kernels.now.connection_file, timing=QUICK, replay_size=0) as served:
        await until(lambda: served.bridge.kernel.is_ready)
        async with eager_client(served.url("a"), "v1") as client:
            await answer(kernels.now, await ask(client, kernels.now, cell))
            await answers(client, cell)
            await talk(client, kernels.now, served)
        async with eager_client(served.url("a"), "v1") as client:
            await client.send(cell)
            found = await answers(client, cell)
            assert told(found) == FAILED
            assert found[1].content["ename"] == "Repeated"
            assert cell["header"]["msg_id"] in found[1].content["evalue"]
            assert "a new msg_id" in found[1].content["evalue"]
            await is_next(client, kernels.now)


async def test_who_repeats_what_is_not_answered_yet_hears_the_answer_once(
    served: Served, kernels: Kernels
) -> None:
    cell = execute_request("1")
    async with eager_client(served.url("a"), "v1") as client:
        got = await ask(client, kernels.now, cell)
    async with eager_client(served.url("a"), "v1") as client:
        await client.send(cell)
        await is_next(client, kernels.now)
        await answer(kernels.now, got)
        await answers(client, cell)
        await kernels.now.iopub("stream", {"name": "stdout", "text": "last"})
        assert "execute_reply" not in [m.msg_type for m in await client.collect("stream")]


async def test_who_repeats_what_comes_with_the_resume_hears_it_once(
    served: Served, kernels: Kernels
) -> None:
    cell = execute_request("1")
    async with eager_client(served.url("a"), "v1") as client:
        got = await ask(client, kernels.now, cell)
    await gone(served)
    await answer(kernels.now, got)
    # One that acknowledges nothing before it repeats.
    async with raw_websocket(served, "a") as client:
        await client.send(frame_of(cell), frame(b"read?", PING))
        found = [await client.http.frame()]
        while found[-1] != (PONG, b"read?"):
            found.append(await client.http.frame())
        await kernels.now.iopub("stream", {"name": "stdout", "text": "last"})
        while b'"last"' not in found[-1][1]:
            found.append(await client.http.frame())
        assert sum(b'"execute_reply"' in data for _, data in found) == 1

"""Requests that a kernel had when it ended: who asked is told, and may ask the next one again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.e2e.test_launch_end import make_deaf
from tests.support.attaching import behind, kernel_at, place, until_announced
from tests.support.cable import cable
from tests.support.cells import Held, everything, said
from tests.support.client import Client, Received, eager_client, execute_request, request, stdout
from tests.support.processes import W2z, launched, w2z

PYTHON = ("--kernel", "python3")
SOON = ("--shutdown-timeout", "0.2", "--terminate-timeout", "0.2")

Loss = Callable[[W2z], Coroutine[Any, Any, None]]
"""A way for a kernel to be replaced by another, whatever it is doing."""


async def kill(served: W2z) -> None:
    os.kill(await served.kernel(), signal.SIGKILL)


async def post_restart(served: W2z) -> None:
    async with served.rest() as rest:
        [model] = await rest.json("GET /api/kernels")
        await rest.json(f"POST /api/kernels/{model['id']}/restart")


losses = pytest.mark.parametrize("lose", [kill, post_restart])


def is_lost(seen: list[Received], msg_type: str = "execute_reply") -> bool:
    """Whether its one reply says that there will be none."""
    [reply] = [message for message in seen if message.msg_type == msg_type]
    assert reply.channel == "shell"
    return reply.content["status"] in ("aborted", "error")


async def answers(client: Client, *asked: dict[str, Any]) -> list[list[Received]]:
    """What belongs to each of these requests, when each has a reply and an idle."""
    found: dict[str, list[Received]] = {one["msg_id"]: [] for one in asked}
    while not all(map(is_whole, found.values())):
        message = await client.recv()
        found.get(message.parent_header.get("msg_id", ""), []).append(message)
    return list(found.values())


def is_whole(seen: list[Received]) -> bool:
    states = [message.content.get("execution_state") for message in seen]
    return "idle" in states and any(message.channel == "shell" for message in seen)


# Asked again.


class Traced:
    """A request whose bytes are always the same, and that leaves a mark each time it is executed.

    It goes on for ever until it is told that it may end.
    """

    def __init__(self, folder: Path) -> None:
        self._marks, self._may_end = folder / "marks", folder / "may end"
        self.message = execute_request(
            "import os, pathlib, time\n"
            f"with open({str(self._marks)!r}, 'a') as file: file.write('x')\n"
            "print('process', os.getpid(), flush=True)\n"
            f"while not pathlib.Path({str(self._may_end)!r}).exists(): time.sleep(0.01)\n"
            "print('done')"
        )

    async def begin(self, client: Client) -> int:
        """Ask; the process that executes it."""
        asked = await client.send(self.message)
        while not (text := stdout([await client.until("stream", asked)])).startswith("process"):
            pass
        return int(text.split()[1])

    def let_go(self) -> None:
        self._may_end.touch()

    async def done(self, client: Client) -> None:
        """Wait for the reply to what was executed; one may have come that says it was lost."""
        asked = self.message["header"]
        await said(client, asked, "done")
        while (await client.until("execute_reply", asked)).content["status"] != "ok":
            pass

    @property
    def count(self) -> int:
        return len(self._marks.read_text())


@losses
async def test_the_same_request_is_executed_by_the_next_kernel(tmp_path: Path, lose: Loss) -> None:
    traced = Traced(tmp_path)
    async with launched(tmp_path, *SOON, *PYTHON) as served:
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await served.ready()
            await traced.begin(ann)
            await lose(served)
        await served.ready(2)
        async with eager_client(served.websocket("ann"), "v1") as ann:
            traced.let_go()
            await ann.send(traced.message)
            await traced.done(ann)
        assert traced.count == 2


async def test_the_same_request_is_executed_by_a_kernel_that_somebody_else_started(
    supervised: W2z, tmp_path: Path
) -> None:
    traced = Traced(tmp_path)
    async with eager_client(supervised.websocket("ann"), "v1") as ann:
        await supervised.ready()
        os.kill(await traced.begin(ann), signal.SIGKILL)
        await until_announced(ann, "restarting")
    async with eager_client(supervised.websocket("ann"), "v1") as ann:
        traced.let_go()
        await ann.send(traced.message)
        await traced.done(ann)
    assert traced.count == 2


async def test_the_same_request_is_executed_by_the_kernel_of_a_new_connection_file(
    tmp_path: Path,
) -> None:
    traced = Traced(tmp_path)
    first, second = place(tmp_path, "first.json"), place(tmp_path, "second.json")
    path = behind(first, "served.json")
    async with kernel_at(first), kernel_at(second), w2z(path) as served:
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await traced.begin(ann)
            path.write_text(second.read_text())
            await until_announced(ann, "restarting")
        async with eager_client(served.websocket("ann"), "v1") as ann:
            traced.let_go()
            await ann.send(traced.message)
            await traced.done(ann)
    assert traced.count == 2


async def test_the_same_request_is_not_executed_twice_by_the_same_kernel(tmp_path: Path) -> None:
    """Although the network between w2z and the kernel was cut meanwhile."""
    path, traced = place(tmp_path), Traced(tmp_path)
    fields = json.loads(path.read_text())
    async with (
        kernel_at(path),
        cable(f"tcp://{fields['ip']}:{fields['iopub_port']}") as iopub,
        w2z(behind(path, iopub_port=urlsplit(iopub.url).port)) as served,
        served.rest() as rest,
    ):
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await served.ready()
            await traced.begin(ann)
            with iopub.down():
                while (await rest.ask("GET /readyz")).status == 200:
                    pass
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await ann.send(traced.message)
            traced.let_go()
            assert stdout(await ann.execute("print('next')")) == "next\n"
    assert traced.count == 1


class Pinged(ClientConnection):
    """Counts pings: w2z sends one when the one before has been answered."""

    pings = 0

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings += 1
        super().process_event(event)


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_program_that_always_sends_the_same_is_not_met_with_silence(
    tmp_path: Path, wire: str
) -> None:
    """Such as ``echo MESSAGE | websocat URL``: an answer, a word why not, or a close."""
    traced = Traced(tmp_path)
    traced.let_go()
    async with launched(tmp_path, *PYTHON) as served:
        async with eager_client(
            served.websocket("cron"), wire, create_connection=Pinged
        ) as program:
            await program.send(traced.message)
            await traced.done(program)
            websocket = program.websocket
            assert isinstance(websocket, Pinged)
            # All of its answer has arrived, and w2z knows it.
            answered = websocket.pings + 2
            while websocket.pings < answered:
                await program.execute("1")
        async with eager_client(served.websocket("cron"), wire) as program:
            await program.send(traced.message)
            assert await hears(program, traced.message["header"])
        async with eager_client(served.websocket("another"), wire) as client:
            await client.execute("1")
        assert traced.count == 1


async def hears(client: Client, asked: dict[str, Any]) -> bool:
    """Wait for anything that has to do with that request, the end of the connection included."""
    try:
        while (await client.recv()).parent_header.get("msg_id") != asked["msg_id"]:
            pass
    except ConnectionClosed:
        pass
    return True


# Told.


@losses
async def test_who_asked_is_told_that_it_is_lost(tmp_path: Path, lose: Loss) -> None:
    """The cell that ran, and those behind it; but not what had been answered."""
    async with (
        launched(tmp_path, *SOON, *PYTHON) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
        eager_client(served.websocket("ben"), "default") as ben,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        for client in (ann, ben):
            await client.execute("1")
        # Nothing but SIGKILL ends it, so that it answers nothing any more.
        deaf = await make_deaf(ann)
        behind_it = await ann.send(execute_request("print('never')"))
        of_ben = await ben.send(execute_request("print('never')"))
        losing = tasks.create_task(lose(served))
        assert [is_lost(seen) for seen in await answers(ann, deaf, behind_it)] == [True, True]
        assert is_lost(await ben.finished(of_ben))
        for client in (ann, ben):
            seen = await everything(client, "print('next')")
            assert "never" not in stdout(seen)
            assert [m.content["status"] for m in seen if m.msg_type == "execute_reply"] == ["ok"]
        await losing


@pytest.mark.parametrize("code", [9, 0])
async def test_who_asked_for_the_kernels_own_end_is_told(tmp_path: Path, code: int) -> None:
    """With 0 it is the end of w2z as well."""
    async with (
        launched(tmp_path, *PYTHON, ends=code and None) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        asked = await ann.send(execute_request(f"import os; os._exit({code})"))
        assert is_lost(await ann.finished(asked))
        if code == 0:
            assert (await ann.closed())[0] == 1012
        else:
            assert stdout(await ann.execute("print('next')")) == "next\n"


async def test_who_is_away_is_told_on_coming_back(tmp_path: Path) -> None:
    cell = Held(tmp_path)
    async with launched(tmp_path, *PYTHON) as served:
        async with eager_client(served.websocket("ann"), "v1") as ann:
            await served.ready()
            asked = await cell.begin(ann)
            ann.websocket.transport.abort()
            await ann.closed()
        os.kill(await served.kernel(), signal.SIGKILL)
        await served.ready(2)
        async with eager_client(served.websocket("ann"), "v1") as ann:
            assert is_lost(await ann.finished(asked))


SHELL = {
    "complete_request": {"code": "pri", "cursor_pos": 3},
    "inspect_request": {"code": "print", "cursor_pos": 5, "detail_level": 0},
    "is_complete_request": {"code": "print("},
    "comm_info_request": {},
    "history_request": {"output": False, "raw": True, "hist_access_type": "tail", "n": 1},
}


async def test_other_requests_are_answered_as_well(tmp_path: Path) -> None:
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *PYTHON) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        await cell.begin(ann)
        asked = [await ann.send(request(*both)) for both in SHELL.items()]
        os.kill(await served.kernel(), signal.SIGKILL)
        for one, seen in zip(asked, await answers(ann, *asked), strict=True):
            assert is_lost(seen, one["msg_type"].replace("_request", "_reply"))


async def test_a_request_of_while_there_is_none_is_for_the_next_kernel(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *PYTHON) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        await ann.until_state("restarting")
        seen = await everything(ann, "print('next')")
        assert "next\n" in stdout(seen)
        assert [m.content["status"] for m in seen if m.msg_type == "execute_reply"] == ["ok"]


async def test_who_asked_a_kernel_of_somebody_else_is_told(supervised: W2z, tmp_path: Path) -> None:
    traced = Traced(tmp_path)
    async with eager_client(supervised.websocket("ann"), "v1") as ann:
        await supervised.ready()
        pid = await traced.begin(ann)
        behind_it = await ann.send(execute_request("print('never')"))
        os.kill(pid, signal.SIGKILL)
        seen = await answers(ann, traced.message["header"], behind_it)
        assert [is_lost(messages) for messages in seen] == [True, True]
        assert stdout(await ann.execute("print('next')")) == "next\n"


async def test_who_asked_a_kernel_that_nobody_replaces_is_told(tmp_path: Path) -> None:
    path, cell = place(tmp_path), Held(tmp_path)
    async with (
        kernel_at(path) as kernel,
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        await kernel.end(signal.SIGKILL)
        assert is_lost(await ann.finished(asked))


async def test_who_asked_the_kernel_of_the_last_connection_file_is_told(tmp_path: Path) -> None:
    first, second = place(tmp_path, "first.json"), place(tmp_path, "second.json")
    path, cell = behind(first, "served.json"), Held(tmp_path)
    async with (
        kernel_at(first),
        kernel_at(second),
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        path.write_text(second.read_text())
        assert is_lost(await ann.finished(asked))
        assert stdout(await ann.execute("print('next')")) == "next\n"

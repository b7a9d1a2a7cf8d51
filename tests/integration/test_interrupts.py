"""Interrupting an attached kernel costs no process each time."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fake_kernel import FakeKernel, header
from tests.support.kernels import ONE, model_says, ready, rest_of, within
from tests.support.rest import Rest
from tests.support.serving import serving
from tests.support.timing import QUICK
from w2z.message import Channel


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of the processes that were started; asyncio starts its own this way, too."""
    commands: list[Any] = []
    popen = subprocess.Popen

    class Counted(popen):  # type: ignore[misc,valid-type]
        def __init__(self, args: Any, *more: Any, **options: Any) -> None:
            commands.append(args)
            super().__init__(args, *more, **options)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    return commands


@asynccontextmanager
async def served_with(kernel: FakeKernel, **settings: Any) -> AsyncIterator[Rest]:
    async with (
        serving(kernel.connection_file, timing=QUICK, **settings) as served,
        rest_of(served) as rest,
    ):
        await ready(rest)
        yield rest


async def interrupted(kernel: FakeKernel, rest: Rest) -> int:
    """Ask for an interrupt, which the kernel takes; the status of the answer."""
    async with within(10, "the answer to an interrupt"), asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(rest.ask(f"POST {ONE}/interrupt"))
        identity, message = await kernel.received.get()
        assert json.loads(message.header)["msg_type"] == "interrupt_request"
        await kernel.reply(identity, message, "interrupt_reply", {"status": "ok"})
    return (await asking).status


@pytest.fixture
def known(kernel: FakeKernel) -> FakeKernel:
    """One that is taken at its word."""
    kernel.info = {"status": "ok", "implementation": "ipython"}
    return kernel


async def test_a_spec_is_looked_up_once(known: FakeKernel, started: list[Any]) -> None:
    async with served_with(known) as rest:
        assert [await interrupted(known, rest) for _ in range(3)] == [204] * 3
    assert len(started) <= 1


async def test_and_once_for_several_that_come_together(
    known: FakeKernel, started: list[Any]
) -> None:
    async with (
        serving(known.connection_file, timing=QUICK) as served,
        rest_of(served) as rest,
        asyncio.TaskGroup() as tasks,
    ):
        await ready(rest)

        async def interrupt() -> None:
            async with rest_of(served) as mine:
                assert (await mine.ask(f"POST {ONE}/interrupt")).status == 204

        for _ in range(5):
            tasks.create_task(interrupt())
        async with within(20, "five interrupt_requests"):
            for _ in range(5):
                identity, message = await known.received.get()
                await known.reply(identity, message, "interrupt_reply", {"status": "ok"})
    assert len(started) <= 1


@pytest.mark.parametrize("first", ["kernelspecs", "interrupt"])
async def test_and_once_for_kernelspecs_and_interrupts(
    known: FakeKernel, started: list[Any], first: str
) -> None:
    async with served_with(known) as rest:
        for turn in (first, "kernelspecs", "interrupt"):
            if turn == "kernelspecs":
                await rest.json("GET /api/kernelspecs")
            else:
                assert await interrupted(known, rest) == 204
    assert len(started) <= 1


async def test_nothing_is_looked_up_where_the_operator_says_how(
    known: FakeKernel, started: list[Any]
) -> None:
    async with served_with(known, interrupt_mode="message") as rest:
        assert [await interrupted(known, rest) for _ in range(3)] == [204] * 3
    assert started == []


async def test_nor_where_a_signal_is_to_be_sent(known: FakeKernel, started: list[Any]) -> None:
    async with served_with(known, interrupt_mode="signal") as rest:
        # Its ports are this very process's, which w2z does not signal.
        await rest.json(f"POST {ONE}/interrupt", status=501)
    assert started == []


@pytest.mark.parametrize("mode", ["message", None])
async def test_nor_for_the_interrupt_before_a_restart(
    known: FakeKernel, started: list[Any], mode: str | None
) -> None:
    """At most once where nobody says how."""
    async with served_with(known, interrupt_mode=mode) as rest:
        if mode is None:
            assert await interrupted(known, rest) == 204
        await known.iopub("status", {"execution_state": "busy"}, header("execute_request"))
        await model_says(rest, "busy")
        async with asyncio.TaskGroup() as tasks:
            restarting = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
            kinds: list[str] = []
            while kinds[-1:] != ["shutdown_request"]:
                identity, message = await known.received.get()
                assert message.channel is Channel.CONTROL
                kinds.append(json.loads(message.header)["msg_type"])
            assert kinds == ["interrupt_request", "shutdown_request"]
            known.session = "another"
            await known.reply(identity, message, "shutdown_reply", {"restart": True})
            # Another process at the same sockets.
            await known.iopub("status", {"execution_state": "starting"})
        assert (await restarting).status == 200
    assert len(started) <= (mode is None)

"""What w2z says the kernel is doing is what it is doing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.attaching import announced, until_announced
from tests.support.cable import Cable, cable
from tests.support.client import Received, open_client, request
from tests.support.fake_kernel import FakeKernel, header
from tests.support.kernels import (
    ONE,
    answered,
    kernels_in,
    model_says,
    ready,
    rest_of,
    within,
)
from tests.support.log import listening
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.message import Message

SOON = replace(QUICK, busy_for=0, shell_grace=0.05, unanswered=0.05)


@asynccontextmanager
async def served_at(path: Path, **settings: Any) -> AsyncIterator[tuple[Served, Rest]]:
    async with (
        serving(path, timing=settings.pop("timing", SOON), **settings) as served,
        rest_of(served) as rest,
    ):
        yield served, rest


async def newcomer_hears(served: Served, state: str) -> Received:
    """Somebody who connects now is told this state first of all."""
    async with open_client(served.url(f"newcomer-{state}"), "v1") as client:
        async with within(5, f"a newcomer is told {state}"):
            first = await client.recv()
        assert first.msg_type == "status"
        assert first.content["execution_state"] == state
        return first


# A word of the kernel that was lost in the network.


@asynccontextmanager
async def over_a_cable(kernel: FakeKernel, folder: Path) -> AsyncIterator[tuple[Path, Cable]]:
    """The kernel, whose iopub is reached over a cable."""
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://127.0.0.1:{fields['iopub_port']}") as iopub:
        path = folder / "through-the-cable.json"
        port = int(iopub.url.rpartition(":")[2])
        path.write_text(json.dumps({**fields, "iopub_port": port}))
        yield path, iopub


async def test_a_kernel_whose_idle_was_lost_in_the_network_is_idle(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    cell = header("execute_request", session="somebody")
    async with (
        over_a_cable(kernel, tmp_path) as (path, iopub),
        served_at(path) as (served, rest),
    ):
        await ready(rest)
        await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await model_says(rest, "busy")
        with iopub.down():
            await ready(rest, 503)
            await kernel.iopub("status", {"execution_state": "idle"}, cell)
        await ready(rest)
        await model_says(rest, "idle")
        await newcomer_hears(served, "idle")


async def test_several_cells_whose_idle_was_lost(kernel: FakeKernel, tmp_path: Path) -> None:
    """As of subshells, which run at the same time."""
    cells = [header("execute_request", session="somebody") for _ in range(3)]
    async with (
        over_a_cable(kernel, tmp_path) as (path, iopub),
        served_at(path) as (served, rest),
    ):
        await ready(rest)
        for cell in cells:
            await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await model_says(rest, "busy")
        with iopub.down():
            await ready(rest, 503)
            for cell in cells:
                await kernel.iopub("status", {"execution_state": "idle"}, cell)
        await model_says(rest, "idle")
        await newcomer_hears(served, "idle")


async def test_a_kernel_that_runs_on_while_the_network_fails_is_busy_until_it_ends(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    cell = header("execute_request", session="somebody")
    async with (
        over_a_cable(kernel, tmp_path) as (path, iopub),
        served_at(path) as (served, rest),
    ):
        await ready(rest)
        kernel.reads_shell.clear()
        await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await model_says(rest, "busy")
        iopub.cut()
        await ready(rest, 503)
        # It answers on control, as ipykernel does while it runs a cell.
        await ready(rest)
        assert (await rest.kernel())["execution_state"] == "busy"
        await newcomer_hears(served, "busy")
        await kernel.iopub("status", {"execution_state": "idle"}, cell)
        kernel.reads_shell.set()
        await model_says(rest, "idle")
        await newcomer_hears(served, "idle")


async def test_a_busy_that_was_lost_in_the_network_is_told_all_the_same(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    """Somebody else's cell began while w2z heard nothing."""
    async with (
        over_a_cable(kernel, tmp_path) as (path, iopub),
        served_at(path) as (served, rest),
    ):
        await ready(rest)
        await model_says(rest, "idle")
        with iopub.down():
            await ready(rest, 503)
            kernel.reads_shell.clear()
            cell = header("execute_request", session="somebody")
            await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await model_says(rest, "busy")
        await newcomer_hears(served, "busy")
        kernel.reads_shell.set()
        await kernel.iopub("status", {"execution_state": "idle"}, cell)
        await model_says(rest, "idle")


# A kernel that was busy before w2z came.


async def test_a_kernel_that_answers_on_control_only_is_busy(kernel: FakeKernel) -> None:
    kernel.info = {"status": "ok", "banner": "a fake"}
    kernel.reads_shell.clear()
    async with served_at(kernel.connection_file) as (served, rest):
        await ready(rest)
        await model_says(rest, "busy")
        await newcomer_hears(served, "busy")
        async with open_client(served.url("a"), "v1") as client:
            sent = await client.send(request("kernel_info_request"))
            async with within(5, "an answer to kernel_info_request"):
                reply = await client.until("kernel_info_reply", sent)
            assert reply.channel == "shell"
            assert reply.content == {"status": "ok", "banner": "a fake"}
            assert (await rest.kernel())["execution_state"] == "busy"
            assert (await rest.ask("GET /readyz")).status == 200
            kernel.reads_shell.set()
            await model_says(rest, "idle")
            await newcomer_hears(served, "idle")


async def test_what_is_asked_of_it_meanwhile_comes_when_its_cell_ends(
    kernel: FakeKernel,
) -> None:
    kernel.reads_shell.clear()
    async with (
        served_at(kernel.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await model_says(rest, "busy")
        sent = await client.send(request("odd_request"))
        kernel.reads_shell.set()
        async with within(5, "what was asked"):
            identity, message = await kernel.received.get()
        assert json.loads(message.header) == sent
        await kernel.reply(identity, message, "odd_reply", {})
        await client.until("odd_reply", sent)


async def test_it_is_idle_only_when_it_has_answered_on_shell(kernel: FakeKernel) -> None:
    """What it does for w2z on control has an idle too; that one says nothing about its cell."""
    kernel.reads_shell.clear()
    async with (
        served_at(kernel.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await model_says(rest, "busy")
        info = await client.send(request("kernel_info_request", channel="control"))
        await client.until("kernel_info_reply", info)
        # Its busy and idle have come by then, or come before this.
        await kernel.iopub("stream", {"name": "stdout", "text": "still here"})
        await client.until("stream")
        assert (await rest.kernel())["execution_state"] == "busy"
        kernel.reads_shell.set()
        await model_says(rest, "idle")


async def test_a_kernel_that_takes_connections_and_answers_nowhere_is_busy(
    kernel: FakeKernel,
) -> None:
    """As IRkernel, which has one thread for everything; it is there, and it is not dead."""
    held = asyncio.Event()

    async def answer_later(identity: bytes, message: Message) -> None:
        await held.wait()
        await kernel.answer_info(identity, message)

    kernel.on_kernel_info = answer_later
    kernel.beats.clear()
    with listening() as heard:
        async with (
            served_at(kernel.connection_file) as (served, rest),
            open_client(served.url("a"), "v1") as client,
        ):
            sent = await client.send(request("odd_request"))
            await model_says(rest, "busy")
            await newcomer_hears(served, "busy")
            assert (await rest.ask("GET /readyz")).status == 503, "it never answered"
            held.set()
            kernel.beats.set()
            async with within(5, "what was asked"):
                _, message = await kernel.received.get()
            assert json.loads(message.header) == sent
            await ready(rest)
            await model_says(rest, "idle")
    assert not heard.matching("nobody listens")


async def test_a_kernel_that_answers_at_once_was_never_busy(kernel: FakeKernel) -> None:
    async with (
        served_at(kernel.connection_file, timing=QUICK) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(rest)
        await model_says(rest, "idle")
        await kernel.iopub("stream", {"name": "stdout", "text": "end"})
        told = await client.collect("stream")
        # w2z's own words only: the kernel says busy of w2z's own questions, too.
        assert announced(told) == []
        await newcomer_hears(served, "idle")


# Coming late.


async def test_a_newcomer_that_reads_slowly_is_told_the_state_behind_the_replay(
    kernel: FakeKernel,
) -> None:
    """In the middle it would be taken for what the kernel said just then."""
    count, text = 150, "x" * 200_000
    async with served_at(kernel.connection_file, replay_size=2**26) as (served, rest):
        await ready(rest)
        async with open_client(served.url("first"), "v1") as client:
            await answered(client, kernel)
            for number in range(count):
                await kernel.iopub("stream", {"name": "stdout", "number": number, "text": text})
            await kernel.iopub("stream", {"name": "stdout", "text": "end", "number": count})
            while (await client.until("stream")).content["number"] != count:
                pass
        url = served.url("late") + f"&replay={count + 1}"
        async with open_client(url, "v1", max_queue=1) as late:
            # More than the network takes at once.
            found = [await late.recv() for _ in range(count + 2)]
        kinds = [m.msg_type for m in found]
        assert kinds.index("status") == count + 1
        assert [m.content["number"] for m in found[:-1]] == list(range(count + 1))


# A kernel that came back while w2z was finding out that it was gone.


async def test_a_kernel_that_came_back_is_not_hung_up_on_for_what_was_true_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal of a connection takes a while to be told, as over a slow network."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    is_slow, was_refused, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(sock: Any, address: Any) -> None:
        try:
            await connect(sock, address)
        except ConnectionRefusedError:
            if is_slow.is_set():
                was_refused.set()
                await go_on.wait()
            raise

    monkeypatch.setattr(loop, "sock_connect", slowly)
    timing = replace(SOON, probe_timeout=60)
    async with (
        kernels_in(tmp_path) as kernels,
        served_at(kernels.now.connection_file, timing=timing) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(rest)
        await answered(client, kernels.now)
        is_slow.set()
        await kernels.hang_up()
        async with within(5, "w2z finds out whether the kernel refuses connections"):
            await was_refused.wait()
        second = await kernels.start("second")
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        await ready(rest)
        before = second.subscriptions
        is_slow.clear()
        go_on.set()
        await answered(client, second)
        assert second.subscriptions == before == 1
        assert (await rest.ask("GET /readyz")).status == 200
        assert (await rest.kernel())["execution_state"] == "idle"


async def test_a_kernel_that_died_again_meanwhile_is_noticed(tmp_path: Path) -> None:
    async with (
        kernels_in(tmp_path) as kernels,
        served_at(kernels.now.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(rest)
        for session in ("second", "third"):
            await kernels.replace(session)
            # On a machine with other work the kernel may have seemed busy before.
            await until_announced(client, "restarting")
            assert announced(await until_announced(client, "idle")) == ["idle"]
            await ready(rest)
        await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]
        await model_says(rest, "dead")
        assert (await rest.json(f"GET {ONE}"))["execution_state"] == "dead"
        await newcomer_hears(served, "dead")

"""What w2z itself says speaks as the kernel: frontends take another session for another kernel."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.attaching import announced, is_announced, until_announced
from tests.support.client import Client, Received, open_client, request
from tests.support.fake_kernel import FakeKernel, header
from tests.support.kernels import (
    Kernels,
    answered,
    asked,
    kernels_in,
    model_says,
    ready,
    rest_of,
    within,
)
from tests.support.processes import TINY, launched
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.message import Message
from w2z.timing import Timing

both = pytest.mark.parametrize("wire", ["v1", "default"])


@pytest.fixture
async def kernels(tmp_path: Path, nothing_is_left: None) -> AsyncIterator[Kernels]:
    async with kernels_in(tmp_path) as found:
        yield found


@asynccontextmanager
async def served_with(
    kernels: Kernels, timing: Timing = QUICK, **settings: Any
) -> AsyncIterator[tuple[Served, Rest]]:
    """w2z in front of a kernel that is ready."""
    async with (
        serving(kernels.now.connection_file, timing=timing, **settings) as served,
        rest_of(served) as rest,
    ):
        await ready(rest)
        yield served, rest


def sessions_of(messages: list[Received]) -> set[str]:
    return {message.header["session"] for message in messages}


async def become_busy(kernel: FakeKernel, rest: Rest) -> dict[str, Any]:
    """Let the kernel run a cell, and answer nothing on shell meanwhile."""
    cell = header("execute_request", session="somebody")
    kernel.reads_shell.clear()
    await kernel.iopub("status", {"execution_state": "busy"}, cell)
    await model_says(rest, "busy")
    return cell


async def children(client: Client, parent: dict[str, Any]) -> list[Received]:
    """What has this parent, up to the idle."""
    found: list[Received] = []
    async with within(5, f"an idle with the parent of {parent['msg_type']}"):
        while not (found and found[-1].content.get("execution_state") == "idle"):
            message = await client.recv()
            if message.parent_header.get("msg_id") == parent["msg_id"]:
                found.append(message)
    return found


def told(messages: list[Received]) -> list[tuple[str, str]]:
    """The channel of each, and its state or else its type."""
    return [(m.channel, m.content.get("execution_state", m.msg_type)) for m in messages]


# A reply in the kernel's place.

IN_ORDER = [("iopub", "busy"), ("shell", "kernel_info_reply"), ("iopub", "idle")]
BUSY_SOON = replace(QUICK, busy_for=0)


@both
async def test_a_kernel_info_reply_of_w2zs_own_comes_between_busy_and_idle(
    kernels: Kernels, wire: str
) -> None:
    kernels.now.info = {"status": "ok", "banner": "a fake"}
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), wire) as client,
    ):
        await become_busy(kernels.now, rest)
        sent = await client.send(request("kernel_info_request"))
        found = await children(client, sent)
        assert told(found) == IN_ORDER
        assert found[1].content == {"status": "ok", "banner": "a fake"}
        assert sessions_of(found) == {"first"}
        assert [message.parent_header for message in found] == [sent] * 3
        assert len({message.header["msg_id"] for message in found}) == 3


async def test_behind_it_frontends_hear_that_the_kernel_is_busy_still(kernels: Kernels) -> None:
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        cell = await become_busy(kernels.now, rest)
        await children(client, await client.send(request("kernel_info_request")))
        async with within(5, "a busy with the parent of what runs"):
            last = await client.until("status")
        assert last.content["execution_state"] == "busy"
        assert last.parent_header == cell


async def test_a_question_waits_for_a_kernel_that_is_busy_for_a_moment_and_no_longer(
    kernels: Kernels,
) -> None:
    async with (
        served_with(kernels, replace(QUICK, busy_for=3600)) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        cell = await become_busy(kernels.now, rest)
        sent = await client.send(request("kernel_info_request"))
        await client.websocket.ping()
        await kernels.now.iopub("status", {"execution_state": "idle"}, cell)
        kernels.now.reads_shell.set()
        async with within(5, "the kernel's answer"):
            reply = await client.until("kernel_info_reply", sent)
        assert reply.header["session"] == "first"


@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_question_waits_until_it_is_known_whether_the_kernel_is_busy(
    kernels: Kernels, is_busy: bool
) -> None:
    """w2z was attached to a kernel that is heard already, and answers on control."""
    kernel, held, answer = kernels.now, asyncio.Event(), kernels.now.on_kernel_info
    asked: list[Message] = []

    async def answer_late(identity: bytes, message: Message) -> None:
        asked.append(message)
        await held.wait()
        await answer(identity, message)

    kernel.on_kernel_info = answer_late
    if is_busy:
        kernel.reads_shell.clear()
    timing = replace(QUICK, unanswered=3600.0, shell_grace=0.05)
    async with (
        serving(kernel.connection_file, timing=timing) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        await kernel.subscribed.wait()
        state = "busy" if is_busy else "idle"
        await kernel.iopub("status", {"execution_state": state}, header("execute_request"))
        await client.until_state(state)
        sent = await client.send(request("kernel_info_request"))
        await client.websocket.ping()
        held.set()
        async with within(5, "an answer"):
            await client.until("kernel_info_reply", sent)
        mine = [m for m in asked if json.loads(m.header)["msg_id"] == sent["msg_id"]]
        assert bool(mine) is not is_busy


async def test_only_the_session_that_asked_hears_of_it(kernels: Kernels) -> None:
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), "v1") as ann,
        open_client(served.url("b"), "v1") as ben,
    ):
        await become_busy(kernels.now, rest)
        sent = await ann.send(request("kernel_info_request"))
        assert told(await children(ann, sent)) == IN_ORDER
        await kernels.now.iopub("stream", {"name": "stdout", "text": "for both"})
        heard = await ben.collect("stream")
        assert [m for m in heard if m.parent_header.get("msg_id") == sent["msg_id"]] == []


async def test_each_of_several_such_requests_gets_its_own(kernels: Kernels) -> None:
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await become_busy(kernels.now, rest)
        asked_for = [await client.send(request("kernel_info_request")) for _ in range(3)]
        for sent in asked_for:
            assert told(await children(client, sent)) == IN_ORDER


async def test_the_kernel_stays_busy_for_all_that(kernels: Kernels) -> None:
    """The idle is that of the reply; the cell runs on."""
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        cell = await become_busy(kernels.now, rest)
        sent = await client.send(request("kernel_info_request"))
        assert told(await children(client, sent)) == IN_ORDER
        assert (await rest.kernel())["execution_state"] == "busy"
        async with open_client(served.url("b"), "v1") as newcomer:
            first = await newcomer.recv()
            assert first.content == {"execution_state": "busy"}
        await kernels.now.iopub("status", {"execution_state": "idle"}, cell)
        await model_says(rest, "idle")


async def test_the_reply_comes_again_to_a_client_that_was_cut_before_it_had_it(
    kernels: Kernels,
) -> None:
    async with served_with(kernels, BUSY_SOON) as (served, rest):
        await become_busy(kernels.now, rest)
        async with open_client(served.url("a"), "v1") as client:
            client.websocket.transport.pause_reading()
            sent = await client.send(request("kernel_info_request"))
            await client.send(request("odd_request", channel="control"))
            # What was sent before on the same connection has been looked at, too.
            await kernels.now.received.get()
            client.websocket.transport.abort()
        async with open_client(served.url("a"), "v1") as client:
            assert told(await children(client, sent)) == IN_ORDER


# Notices.


async def test_a_gap_notice_has_the_session_of_the_kernel(kernels: Kernels) -> None:
    kernel, text = kernels.now, "x" * 100_000
    async with (
        served_with(kernels, journal_size=2_000_000, spill_size=0) as (served, _),
        open_client(served.url("slow"), "v1", max_queue=1) as slow,
    ):
        identity, request_ = await asked(slow, kernel)
        for number in range(300):
            await kernel.iopub("stream", {"name": "stdout", "number": number, "text": text})
        await kernel.reply(identity, request_, "odd_reply", {})
        found = await slow.collect("odd_reply")
        gaps = [m for m in found if "w2z_gap" in m.metadata]
        assert gaps
        assert sessions_of(gaps) == {"first"}


@both
async def test_the_word_that_the_kernel_is_dead_has_its_session(
    kernels: Kernels, wire: str
) -> None:
    async with (
        served_with(kernels) as (served, _),
        open_client(served.url("a"), wire) as client,
    ):
        await answered(client, kernels.now)
        await kernels.hang_up()
        found = await until_announced(client, "dead")
        own = [m for m in found if m.header["username"] == "w2z"]
        assert [m.msg_type for m in own] == ["stream", "status"]
        assert sessions_of(own) == {"first"}


async def test_the_word_that_another_took_its_place_has_the_session_of_one_of_the_two(
    kernels: Kernels,
) -> None:
    async with (
        served_with(kernels) as (served, _),
        open_client(served.url("a"), "v1") as client,
    ):
        await answered(client, kernels.now)
        await kernels.replace("second")
        found = await until_announced(client, "restarting")
        own = [m for m in found if m.header["username"] == "w2z"]
        assert [m.msg_type for m in own] == ["stream", "status"]
        assert sessions_of(own) <= {"first", "second"}
        assert len(sessions_of(own)) == 1
        idle = (await until_announced(client, "idle"))[-1]
        assert sessions_of([idle]) == {"second"}


async def test_what_w2z_says_after_that_has_the_session_of_the_new_one(kernels: Kernels) -> None:
    async with (
        served_with(kernels, BUSY_SOON) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await answered(client, kernels.now)
        second = await kernels.replace("second")
        await until_announced(client, "idle")
        await ready(rest)
        await become_busy(second, rest)
        sent = await client.send(request("kernel_info_request"))
        found = await children(client, sent)
        assert told(found) == IN_ORDER
        assert sessions_of(found) == {"second"}
        await kernels.hang_up()
        dead = (await until_announced(client, "dead"))[-1]
        assert sessions_of([dead]) == {"second"}


async def test_a_newcomer_is_told_what_the_kernel_does_in_the_kernels_session(
    kernels: Kernels,
) -> None:
    async with (
        served_with(kernels) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await answered(client, kernels.now)
        await kernels.hang_up()
        assert announced(await until_announced(client, "dead")) == ["dead"]
        async with open_client(served.url("b"), "v1") as newcomer:
            found = await newcomer.until_state("dead")
            assert sessions_of(found) == {"first"}
        await kernels.start("second")
        await until_announced(client, "idle")
        await ready(rest)
        async with open_client(served.url("c"), "v1") as newcomer:
            found = await newcomer.until_state("idle")
            assert sessions_of(found) == {"second"}


async def test_messages_of_w2z_before_any_kernel_answered_are_whole_all_the_same(
    kernels: Kernels,
) -> None:
    """There is no session to take then; but they are messages that every client can read."""
    kernel, text = kernels.now, "x" * 100_000
    never = asyncio.Event()

    async def say_nothing(*_: object) -> None:
        await never.wait()

    kernel.on_kernel_info = say_nothing
    async with (
        serving(
            kernel.connection_file, timing=QUICK, journal_size=2_000_000, spill_size=0
        ) as served,
        open_client(served.url("slow"), "v1", max_queue=1) as slow,
    ):
        await kernel.subscribed.wait()
        for number in range(300):
            await kernel.iopub("stream", {"name": "stdout", "number": number, "text": text})
        await kernel.iopub("status", {"execution_state": "idle"})
        found = await slow.until_state("idle")
        gaps = [m for m in found if "w2z_gap" in m.metadata]
        assert gaps
        assert all(isinstance(m.header["session"], str) and m.header["session"] for m in gaps)
        assert not any(is_announced(m) for m in found)
        assert json.dumps(gaps[0].header)


async def test_output_of_the_kernels_process_is_carried_in_the_kernels_session(
    tmp_path: Path,
) -> None:
    """With a process: only a kernel that w2z starts has output that it can forward."""
    pipe = tmp_path / "late"
    os.mkfifo(pipe)
    line = f"print(open({str(pipe)!r}).readline(), end='', flush=True)"
    # Open for both, so that opening waits for nobody.
    with os.fdopen(os.open(pipe, os.O_RDWR), "wb", 0) as writer:
        async with (
            launched(tmp_path, "--forward-output", *TINY) as served,
            open_client(served.websocket("a"), "v1") as client,
            served.rest() as rest,
        ):
            await served.ready()
            cell = await client.execute(
                f"from threading import Thread\nThread(target=lambda: {line}).start()"
            )
            await rest.kernel(execution_state="idle")
            writer.write(b"late\n")
            async with within(10, "what the process printed"):
                found = await client.until("stream")
            assert found.content == {"name": "stdout", "text": "late\n"}
            assert sessions_of([found]) == sessions_of(cell)

"""Networks and clients that fail, with a scripted kernel: what is owed arrives all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.cable import Way, cable
from tests.support.client import Client, Received, execute_request, open_client, request
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.serving import Served, serving
from tests.support.successors import Kernels
from tests.support.waiting import until
from w2z.delivery.session import OFFSETS
from w2z.message import Channel, Message

TEXT = "x" * 100_000


async def ask(client: Client, kernel: FakeKernel, **more: Any) -> tuple[bytes, Message]:
    """Send a request and see it arrive at the kernel."""
    await client.send(execute_request("1", **more))
    return await kernel.received.get()


async def say(kernel: FakeKernel, numbers: range, text: str = "") -> None:
    for number in numbers:
        await kernel.iopub("stream", {"name": "stdout", "number": number, "text": text})


async def finish(kernel: FakeKernel) -> None:
    await kernel.iopub("status", {"execution_state": "idle", "last": True})


def is_last(message: Received) -> bool:
    return bool(message.content.get("last"))


def numbers(messages: list[Received]) -> list[int]:
    return [m.content["number"] for m in messages if "number" in m.content]


def dropped(messages: list[Received]) -> int:
    """How many messages the gap notices say are missing."""
    texts = [m.content.get("text", "") for m in messages]
    return sum(int(text.split()[1]) for text in texts if "were dropped here" in text)


def check_gaps(messages: list[Received], count: int) -> int:
    """Each gap notice stands for the numbers that are missing right there; how many in all."""
    expected = total = 0
    for message in messages:
        missing = dropped([message])
        expected += missing
        total += missing
        if "number" in message.content:
            assert message.content["number"] == expected
            expected += 1
    assert expected == count
    return total


async def read_all(client: Client) -> list[Received]:
    found: list[Received] = []
    while not (found and is_last(found[-1])):
        found.append(await client.recv())
    return found


# Half-open connections.


@pytest.mark.parametrize("way", [Way.TO_CLIENT, Way.TO_SERVER])
async def test_a_half_open_connection_is_noticed_and_its_session_kept(
    kernel: FakeKernel, way: Way
) -> None:
    async with (
        serving(kernel.connection_file, ping_interval=0.3, ping_timeout=0.3) as served,
        cable(served.url("a")) as line,
    ):
        async with open_client(line.url, "v1", ping_interval=None) as client:
            await ask(client, kernel)
            await say(kernel, range(10))
            seen = [await client.recv()]
            while numbers(seen[-1:]) != [9]:
                seen.append(await client.recv())
            line.lose(way)
            await say(kernel, range(10, 20))
            await until(lambda: served.bridge.clients.connections == 0, "the client is away")
            assert served.bridge.clients.sessions == 1
            await say(kernel, range(20, 30))
            await finish(kernel)
            line.mend()
            line.cut()
        known = {m.header["msg_id"] for m in seen}
        async with open_client(line.url, "v1") as client:
            again = await read_all(client)
            new = [m for m in again if m.header["msg_id"] not in known]
            assert sorted({*numbers(seen), *numbers(again)}) == list(range(30))
            assert numbers(new) == list(range(max(numbers(seen)) + 1, 30))


async def test_a_connection_that_ends_without_reading_leaves_at_once(
    served: Served, kernel: FakeKernel
) -> None:
    """It has sent its last, but not taken what it was sent: nothing is said to it any more."""
    async with open_client(served.url("a"), "v1", max_queue=1) as client:
        await ask(client, kernel)
        await say(kernel, range(300), TEXT)
        hub = served.bridge.clients.hub
        await until(lambda: not next(hub.clients()).writable, "the connection is full")
        client.websocket.transport.write_eof()
        await until(lambda: served.bridge.clients.connections == 0, "the client is away")
        client.websocket.transport.abort()
    async with open_client(served.url("a"), "v1") as client:
        await finish(kernel)
        seen = numbers(await read_all(client))
        assert seen == list(range(seen[0], 300))


# Sessions that end, and sessions with two tabs.


async def test_a_client_away_past_the_window_comes_back_as_new(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, resume_window=0.05) as served:
        async with open_client(served.url("a"), "v1") as client:
            await ask(client, kernel)
        await until(lambda: served.bridge.clients.connections == 0, "the client is away")
        await say(kernel, range(10))
        await until(lambda: served.bridge.clients.sessions == 0, "its session ends")
        async with open_client(served.url("a"), "v1") as client:
            # A newcomer is told first what the kernel is doing.
            assert (await client.recv()).msg_type == "status"
            await say(kernel, range(10, 20))
            await finish(kernel)
            assert numbers(await read_all(client)) == list(range(10, 20))


async def test_the_newer_of_two_tabs_with_one_session_misses_nothing(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as older, asyncio.TaskGroup() as tasks:
        await ask(older, kernel)
        talking = tasks.create_task(say(kernel, range(2000)))
        seen = [await older.recv()]
        while numbers(seen[-1:]) != [100]:
            seen.append(await older.recv())
        async with open_client(served.url("a"), "v1") as newer:
            # What had come before it was closed is read before it fails.
            with contextlib.suppress(ConnectionClosed):
                while True:
                    seen.append(await older.recv())
            assert (await older.closed())[0] == 4409
            await talking
            await finish(kernel)
            known = {m.header["msg_id"] for m in seen}
            again = await read_all(newer)
            assert len(seen) == len(known), "no repeats within a connection"
            new = [m for m in again if m.header["msg_id"] not in known]
            assert numbers(seen) + numbers(new) == list(range(2000))


# No room for files.


@pytest.mark.parametrize("place", ["removed", "a file"])
async def test_a_spill_directory_that_vanishes_is_a_named_gap(
    kernel: FakeKernel, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    folder = tmp_path / "spill"
    folder.mkdir()
    sizes: dict[str, Any] = {"journal_size": 2_000_000, "spill_dir": folder}
    async with (
        serving(kernel.connection_file, **sizes) as served,
        open_client(served.url("slow"), "v1", max_queue=1) as slow,
        open_client(served.url("fast"), "v1") as fast,
    ):
        await ask(fast, kernel)
        folder.rmdir()
        if place == "a file":
            folder.touch()
        for number in range(300):
            await say(kernel, range(number, number + 1), TEXT)
            while not numbers(found := [await fast.recv()]):
                pass
            assert numbers(found) == [number]
        await finish(kernel)
        assert check_gaps(await read_all(slow), 300) > 0
        trouble = [r for r in caplog.records if "cannot keep output" in r.message]
        assert [record.levelno for record in trouble] == [logging.WARNING]
        # It lives on.
        await say(kernel, range(10))
        await finish(kernel)
        assert numbers(await read_all(slow)) == list(range(10))


# What goes to the kernel.


async def test_only_a_request_of_an_earlier_connection_is_a_repeat(
    served: Served, kernel: FakeKernel
) -> None:
    async with cable(served.url("a")) as line:
        same, end = execute_request("1"), execute_request("end")
        async with open_client(line.url, "v1") as client:
            await client.send(same)
            await client.send(same)
            for _ in range(2):
                _, message = await kernel.received.get()
                assert json.loads(message.header) == same["header"]
            line.cut()
        async with open_client(line.url, "v1") as client:
            await client.send(same)
            await client.send(end)
            _, message = await kernel.received.get()
            assert json.loads(message.header) == end["header"]


# What w2z announces.


async def test_who_comes_back_because_of_an_announcement_does_not_get_it_again(
    tmp_path: Path, nothing_is_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab connects anew as soon as it hears that the kernel restarts, before it has
    acknowledged that: it would come back again and again.
    """
    monkeypatch.setattr("w2z.server.acknowledgement.Acknowledgement.wrote", lambda *_, **__: False)
    kernels = Kernels(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(kernels.hang_up)
        await kernels.start()
        served = await stack.enter_async_context(serving(kernels.now.connection_file))
        away = served.url("away")
        async with open_client(away, "v1"):
            await until(lambda: served.bridge.kernel.is_ready, "the kernel is ready")
        async with open_client(served.url("a"), "v1") as client:
            await kernels.replace("second")
            await client.until_state("restarting")
        for _ in range(2):
            async with open_client(served.url("a"), "v1") as client:
                await finish(kernels.now)
                states = [m.content.get("execution_state") for m in await read_all(client)]
                assert "restarting" not in states
                assert "idle" in states
        async with open_client(away, "v1") as client:
            await client.until_state("restarting")


# Coming late.


async def test_a_newcomer_hears_and_is_told_what_a_busy_kernel_is(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        _, asked = await ask(client, kernel)
        await kernel.iopub("status", {"execution_state": "busy"}, json.loads(asked.header))
        await client.until_state("busy")
        kernel.reads_shell.clear()
        async with open_client(served.url("b"), "default") as newcomer:
            first = await newcomer.recv()
            assert first.content == {"execution_state": "busy"}
            assert first.parent_header == json.loads(asked.header)
        # Busy for long enough, the kernel is answered for; until then it is asked itself.
        state = served.bridge.kernel.state
        await until(lambda: state.is_busy_for(0.2, time.monotonic()), "busy for long enough")
        async with open_client(served.url("c"), "v1") as newcomer:
            info = await newcomer.send(request("kernel_info_request"))
            reply = await newcomer.until("kernel_info_reply", info)
            assert reply.content == kernel.info
        kernel.reads_shell.set()


@pytest.mark.parametrize(("replay", "first"), [("5", 95), ("all", 0)])
async def test_a_newcomer_may_begin_with_what_was_said_last(
    served: Served, kernel: FakeKernel, replay: str, first: int
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        await ask(client, kernel)
        await say(kernel, range(100))
        while numbers([await client.recv()]) != [99]:
            pass
        async with open_client(served.url("b") + f"&replay={replay}", "v1") as newcomer:
            await finish(kernel)
            assert numbers(await read_all(newcomer)) == list(range(first, 100))


@pytest.mark.parametrize("replay", ["-1", "x", "", "1.5", "9" * 100])
async def test_a_bad_replay_is_refused(served: Served, replay: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_client(served.url("b") + f"&replay={replay}", "v1"):
            pass
    assert refused.value.response.status_code == 400


async def test_an_unanswered_question_is_asked_again(served: Served, kernel: FakeKernel) -> None:
    async with open_client(served.url("a"), "v1") as client:
        identity, asked = await ask(client, kernel, allow_stdin=True)
        prompt = as_json({"prompt": "?", "password": False})
        question = header("input_request")
        await kernel.send(
            identity, Message(Channel.STDIN, as_json(question), asked.header, b"{}", prompt)
        )
        await client.until("input_request")
        await until(
            lambda: all(
                s.acked == served.bridge.clients.hub.position("a") // OFFSETS
                for s in served.bridge.clients.hub.sessions()
            ),
            "the client has acknowledged all",
        )
    async with open_client(served.url("a"), "v1") as client:
        assert (await client.until("input_request")).header == question
        await client.send(request("input_reply", {"value": "42"}, channel="stdin"))
        answered_by, answer = await kernel.received.get()
        assert (answered_by, json.loads(answer.content)) == (identity, {"value": "42"})
    async with open_client(served.url("a"), "v1") as client:
        await finish(kernel)
        assert "input_request" not in [m.msg_type for m in await read_all(client)]

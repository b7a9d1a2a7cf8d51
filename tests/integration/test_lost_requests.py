"""Requests that are lost with their kernel, and requests that are sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.cable import cable
from tests.support.client import (
    Client,
    Received,
    eager_client,
    execute_request,
    open_client,
    request,
)
from tests.support.fake_kernel import FakeKernel, as_json, fake_kernel, header
from tests.support.kernels import (
    ONE,
    Kernels,
    kernels_in,
    ready,
    rest_of,
    within,
)
from tests.support.raw_websocket import close_frame, message, raw_websocket
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.message import Channel, Message

Sent = dict[str, Any]

MARK = Message(Channel.IOPUB, as_json(header("mark")), b"{}", b"{}", b"{}")


@pytest.fixture
async def kernels(tmp_path: Path, no_stall: None) -> AsyncIterator[Kernels]:
    async with kernels_in(tmp_path) as found:
        yield found


@pytest.fixture
async def served(kernels: Kernels) -> AsyncIterator[Served]:
    async with serving(kernels.now.connection_file, timing=QUICK) as found:
        yield found


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Rest]:
    async with rest_of(served) as found:
        await ready(found)
        yield found


@pytest.fixture
async def ann(served: Served, rest: Rest) -> AsyncIterator[Client]:
    async with eager_client(served.url("ann"), "v1") as found:
        yield found


@pytest.fixture
async def ben(served: Served, rest: Rest) -> AsyncIterator[Client]:
    async with eager_client(served.url("ben"), "default") as found:
        yield found


Way = Callable[[Kernels], Awaitable[FakeKernel]]


@pytest.fixture
async def elsewhere(tmp_path: Path, no_stall: None) -> AsyncIterator[FakeKernel]:
    """A kernel that the connection file does not tell of yet."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with fake_kernel(folder, key="another key") as found:
        found.session = "second"
        yield found


async def moved_on(served: Served, successor: FakeKernel) -> None:
    """Wait until w2z serves that kernel."""
    async with within(10, "w2z turns to the next kernel"):
        await successor.subscribed.wait()
    async with rest_of(served) as rest:
        await ready(rest)


@pytest.fixture(params=["in its place", "by a file", "by a restart"])
def replace(
    request: pytest.FixtureRequest, elsewhere: FakeKernel, served: Served
) -> Callable[[Kernels], Awaitable[FakeKernel]]:
    """One kernel goes and another is there, in each way that this comes about."""

    async def in_its_place(kernels: Kernels) -> FakeKernel:
        return await kernels.replace("second")

    async def by_a_file(kernels: Kernels) -> FakeKernel:
        kernels.now.connection_file.write_text(elsewhere.connection_file.read_text())
        return elsewhere

    async def by_a_restart(kernels: Kernels) -> FakeKernel:
        first = kernels.now
        async with rest_of(served) as rest, asyncio.TaskGroup() as tasks:
            restarting = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
            # A busy kernel may be interrupted before.
            identity, asked = await first.received.get()
            while json.loads(asked.header)["msg_type"] != "shutdown_request":
                identity, asked = await first.received.get()
            first.linger = 60_000
            await first.reply(identity, asked, "shutdown_reply", {"restart": True})
            second = await kernels.replace("second")
        assert (await restarting).status == 200
        return second

    ways: dict[str, Way] = {
        "in its place": in_its_place,
        "by a file": by_a_file,
        "by a restart": by_a_restart,
    }

    async def replace(kernels: Kernels) -> FakeKernel:
        second = await ways[request.param](kernels)
        await moved_on(served, second)
        return second

    return replace


async def taken(kernel: FakeKernel, sent: Sent) -> tuple[bytes, Message]:
    """The kernel receives this next."""
    async with within(5, f"the kernel receives {sent['msg_type']}"):
        identity, asked = await kernel.received.get()
    assert json.loads(asked.header) == sent
    return identity, asked


async def ask(client: Client, kernel: FakeKernel, asking: Sent) -> tuple[bytes, Message]:
    """Send a request and see it arrive."""
    return await taken(kernel, await client.send(asking))


def about(sent: Sent, messages: list[Received]) -> list[Received]:
    return [m for m in messages if m.parent_header.get("msg_id") == sent["msg_id"]]


# Lost with the kernel.


def is_told_lost(sent: Sent, messages: list[Received], channel: str = "shell") -> None:
    """There are a reply that says so and an idle, and no more."""
    found = about(sent, messages)
    if sent["msg_type"] == "execute_request":
        # As a kernel does, for notebooks: they look for errors there.
        error = next(m for m in found if m.msg_type == "error")
        assert (error.channel, error.content["ename"]) == ("iopub", "KernelLost")
        found.remove(error)
    assert {(m.channel, m.msg_type) for m in found} == {
        (channel, sent["msg_type"].replace("_request", "_reply")),
        ("iopub", "status"),
    }, f"of {sent['msg_type']}: {[(m.channel, m.msg_type, m.content) for m in found]}"
    assert len(found) == 2
    [reply] = [m for m in found if m.channel == channel]
    [status] = [m for m in found if m.channel == "iopub"]
    assert status.content["execution_state"] == "idle"
    assert reply.content["status"] in ("aborted", "error")
    if reply.content["status"] == "error":
        assert reply.content["ename"]
        assert reply.content["evalue"]
        assert isinstance(reply.content["traceback"], list)
    for one in found:
        assert one.parent_header == sent
        assert one.header["session"] in ("first", "second")


async def test_each_request_that_the_kernel_had_is_told_lost_to_who_asked(
    kernels: Kernels, ann: Client, ben: Client, replace: Way
) -> None:
    first = kernels.now
    running, queued, inspected = [
        json.loads((await ask(client, first, asking))[1].header)
        for client, asking in (
            (ann, execute_request("run")),
            (ann, execute_request("queued")),
            (ben, request("inspect_request", {"code": "x"})),
        )
    ]
    second = await replace(kernels)
    for client, mine, others in (
        (ann, [running, queued], [inspected]),
        (ben, [inspected], [running, queued]),
    ):
        found = await ask_another(client, second)
        for sent in mine:
            is_told_lost(sent, found)
        for sent in others:
            assert about(sent, found) == []


@pytest.mark.parametrize(
    ("msg_type", "channel"),
    [
        ("execute_request", "shell"),
        ("execute_request", "control"),
        ("complete_request", "shell"),
        ("comm_info_request", "shell"),
        ("debug_request", "control"),
        ("odd_request", "shell"),
    ],
)
async def test_the_reply_is_of_the_kind_and_on_the_channel_that_was_asked(
    served: Served, kernels: Kernels, ann: Client, msg_type: str, channel: str
) -> None:
    sent = await ann.send(request(msg_type, channel=channel))
    await taken(kernels.now, sent)
    is_told_lost(sent, await after_another(ann, kernels, served), channel)


async def after_another(
    client: Client, kernels: Kernels, served: Served, session: str = "second"
) -> list[Received]:
    """Another kernel takes the place; what the client hears before that one answers it."""
    second = await kernels.replace(session)
    await moved_on(served, second)
    return await ask_another(client, second)


async def test_a_kernel_that_is_dead_has_lost_them_too(
    kernels: Kernels, rest: Rest, ann: Client
) -> None:
    sent = await ann.send(execute_request("run"))
    await taken(kernels.now, sent)
    await kernels.hang_up()
    async with within(5, "the word that the kernel is dead"):
        found = await ann.until_state("dead")
    is_told_lost(sent, found)


async def test_what_was_answered_before_gets_nothing_more(
    served: Served, kernels: Kernels, ann: Client
) -> None:
    first = kernels.now
    identity, asked = await ask(ann, first, execute_request("done"))
    done = json.loads(asked.header)
    await first.iopub("status", {"execution_state": "busy"}, done)
    await first.reply(identity, asked, "execute_reply", {"status": "ok"})
    await first.iopub("status", {"execution_state": "idle"}, done)
    await ann.finished(done)
    lost = json.loads((await ask(ann, first, execute_request("lost")))[1].header)
    found = await after_another(ann, kernels, served)
    is_told_lost(lost, found)
    assert about(done, found) == []


async def test_messages_that_have_no_reply_get_none(
    served: Served, kernels: Kernels, ann: Client
) -> None:
    first = kernels.now
    comm = json.loads((await ask(ann, first, request("comm_msg", {"comm_id": "1"})))[1].header)
    answer = request("input_reply", {"value": "42"}, channel="stdin")
    given = json.loads((await ask(ann, first, answer))[1].header)
    found = await after_another(ann, kernels, served)
    for sent in (comm, given):
        assert [m for m in about(sent, found) if m.msg_type != "status"] == []


async def test_who_was_away_is_told_when_coming_back(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    async with open_client(served.url("away"), "v1") as client:
        sent = await client.send(execute_request("run"))
        await taken(kernels.now, sent)
    second = await kernels.replace("second")
    await moved_on(served, second)
    async with open_client(served.url("away"), "v1") as client:
        is_told_lost(sent, await ask_another(client, second))


async def test_a_client_without_a_session_is_told(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    async with open_client(served.url(), "v1") as client:
        sent = await client.send(execute_request("run"))
        await taken(kernels.now, sent)
        is_told_lost(sent, await after_another(client, kernels, served))


async def test_many_of_one_session_are_told_one_by_one(
    served: Served, kernels: Kernels, ann: Client
) -> None:
    all_sent = [await ann.send(execute_request(f"number {n}")) for n in range(200)]
    for sent in all_sent:
        await taken(kernels.now, sent)
    found = await after_another(ann, kernels, served)
    for sent in all_sent:
        is_told_lost(sent, found)


async def test_requests_that_the_kernel_never_had_are_not_lost(
    kernels: Kernels, rest: Rest, ann: Client
) -> None:
    await kernels.hang_up()
    await ready(rest, 503)
    sent = await ann.send(execute_request("run"))
    second = await kernels.start("second")
    identity, asked = await taken(second, sent)
    await second.reply(identity, asked, "execute_reply", {"status": "ok"})
    found = await ann.collect("execute_reply")
    assert [m.content for m in about(sent, found)] == [{"status": "ok"}]


async def test_those_that_are_lost_are_lost_once(
    served: Served, kernels: Kernels, ann: Client
) -> None:
    """The next kernel's end does not lose them again."""
    sent = await ann.send(execute_request("run"))
    await taken(kernels.now, sent)
    is_told_lost(sent, await after_another(ann, kernels, served))
    found = await after_another(ann, kernels, served, "third")
    assert about(sent, found) == []


async def test_the_last_words_of_a_kernel_come_before_what_is_lost(
    served: Served, kernels: Kernels, ann: Client
) -> None:
    first = kernels.now
    answered_late = await ask(ann, first, execute_request("answered at the end"))
    lost = json.loads((await ask(ann, first, execute_request("lost")))[1].header)
    late = json.loads(answered_late[1].header)
    first.linger = 60_000
    await first.iopub("stream", {"name": "stdout", "text": "last words"}, lost)
    await first.reply(*answered_late, "execute_reply", {"status": "ok"})
    found = await after_another(ann, kernels, served)
    assert [m.content["status"] for m in about(late, found) if m.channel == "shell"] == ["ok"]
    assert about(lost, found)[0].msg_type == "stream"
    is_told_lost(lost, [m for m in found if m.msg_type != "stream"])


@pytest.mark.parametrize("channel", [Channel.SHELL, Channel.STDIN])
async def test_every_one_of_many_last_words_to_a_session_arrives(
    kernels: Kernels, ann: Client, channel: Channel
) -> None:
    """They come over a connection of their own, which is read to its end."""
    first, count = kernels.now, 60_000
    identity, asked = await ask(ann, first, execute_request("run", allow_stdin=True))
    word = Message(channel, as_json(header("odd_word")), asked.header, b"{}", b"{}")
    first.linger = 60_000
    first.burst(word, count, identity)
    await kernels.hang_up()
    arrived = 0
    async with within(60, "the word that the kernel is dead"):
        while b'"dead"' not in (payload := await ann.websocket.recv(decode=False)):
            arrived += b'"odd_word"' in payload
    assert arrived == count


# Output that waits when the kernel is left.


def output(kernel: FakeKernel, count: int) -> None:
    """Say more than w2z can carry in a moment; all of it is there when this returns."""
    content = as_json({"name": "stdout", "text": "x"})
    line = Message(Channel.IOPUB, as_json(header("stream")), b"{}", b"{}", content)
    kernel.burst(line, count, b"topic")


def told_of(messages: list[Received]) -> tuple[int, int]:
    """How much of it arrived, and how many messages the gap notices tell of."""
    lines = [m for m in messages if m.content.get("text") == "x"]
    gaps = [m.metadata["w2z_gap"]["messages"] for m in messages if "w2z_gap" in m.metadata]
    return len(lines), sum(gaps)


async def test_output_that_waits_when_the_file_is_written_anew_is_not_lost_unsaid(
    kernels: Kernels, elsewhere: FakeKernel, ann: Client, ben: Client
) -> None:
    """Or a gap notice tells how much of it is."""
    first, count = kernels.now, 40_000
    output(first, count)
    beginnings = {client: [await client.until("stream")] for client in (ann, ben)}
    first.connection_file.write_text(elsewhere.connection_file.read_text())
    for client, begin in beginnings.items():
        async with within(60, "w2z's word that another kernel is there"):
            lines, gaps = told_of([*begin, *await client.until_state("restarting")])
        assert lines + gaps == count, f"{lines} arrived, {gaps} are told missing"


async def test_a_reply_that_waits_behind_output_then_is_not_lost(
    served: Served, kernels: Kernels, elsewhere: FakeKernel, ann: Client
) -> None:
    first = kernels.now
    identity, asked = await ask(ann, first, execute_request("run"))
    output(first, 40_000)
    await first.reply(identity, asked, "execute_reply", {"status": "ok"})
    await ann.until("stream")
    first.connection_file.write_text(elsewhere.connection_file.read_text())
    await moved_on(served, elsewhere)
    async with within(60, "what waited"):
        found = await ask_another(ann, elsewhere)
    replies = [m for m in about(json.loads(asked.header), found) if m.channel == "shell"]
    assert [m.content for m in replies] == [{"status": "ok"}]


# Sent again.


async def finished_before(
    served: Served, kernel: FakeKernel, asking: Sent, *, finish: bool = True
) -> None:
    """A connection of the session ``script`` sends it; all that it got is known to have arrived."""
    async with raw_websocket(served, "script") as client:
        await client.send(message(asking))
        identity, asked = await taken(kernel, asking["header"])
        await kernel.iopub("status", {"execution_state": "busy"}, asking["header"])
        if finish:
            await kernel.reply(identity, asked, "execute_reply", {"status": "ok", "first": True})
            await kernel.iopub("status", {"execution_state": "idle"}, asking["header"])
        await kernel.publish(MARK)
        await client.until_data(b'"mark"', *[b'"execute_reply"'] * finish)
        # The ping behind that: all of it has arrived.
        await client.acknowledge()
        await client.send(close_frame())
        await client.closed_with()


async def test_the_same_again_after_another_kernel_took_the_place_is_forwarded(
    served: Served, rest: Rest, kernels: Kernels, replace: Way
) -> None:
    asking = execute_request("run")
    await finished_before(served, kernels.now, asking, finish=False)
    second = await replace(kernels)
    async with open_client(served.url("script"), "v1") as client:
        await client.send(asking)
        identity, asked = await taken(second, asking["header"])
        await second.reply(identity, asked, "execute_reply", {"status": "ok", "second": True})
        async with within(5, "the second kernel's reply"):
            found = [await client.until("execute_reply", asking["header"])]
            while "second" not in found[-1].content:
                found.append(await client.until("execute_reply", asking["header"]))


async def test_also_when_it_had_been_answered_by_the_kernel_before(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    asking = execute_request("run")
    await finished_before(served, kernels.now, asking)
    second = await kernels.replace("second")
    await moved_on(served, second)
    async with open_client(served.url("script"), "v1") as client:
        await client.send(asking)
        await taken(second, asking["header"])


async def test_also_when_it_is_sent_before_the_next_kernel_is_there(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    asking = execute_request("run")
    await finished_before(served, kernels.now, asking, finish=False)
    await kernels.hang_up()
    await ready(rest, 503)
    async with open_client(served.url("script"), "v1") as client:
        await client.send(asking)
        await taken(await kernels.start("second"), asking["header"])


async def test_also_on_the_connection_that_sent_it_first(
    served: Served, kernels: Kernels, ann: Client, replace: Way
) -> None:
    asking = execute_request("run")
    await ask(ann, kernels.now, asking)
    second = await replace(kernels)
    await ask(ann, second, asking)


async def test_the_same_again_while_the_kernel_lives_is_answered_and_not_executed_twice(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    kernel, asking = kernels.now, execute_request("run")
    await finished_before(served, kernel, asking)
    async with open_client(served.url("script"), "v1") as client:
        await client.send(asking)
        found = await ask_another(client, kernel)
        replies = [m for m in about(asking["header"], found) if m.channel == "shell"]
        assert [m.msg_type for m in replies] == ["execute_reply"], "silence"
        assert kernel.received.empty()


async def ask_another(client: Client, kernel: FakeKernel) -> list[Received]:
    """What the client hears up to the reply to something else, which the kernel gets next."""
    identity, asked = await ask(client, kernel, request("another_request"))
    await kernel.reply(identity, asked, "another_reply", {})
    found: list[Received] = []
    async with within(5, "the reply to something else"):
        # One to the connection before may come again.
        while not (found and found[-1].parent_header == json.loads(asked.header)):
            found.append(await client.recv())
    return found


async def test_each_time_it_is_sent_again_it_is_answered(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    """A script with fixed bytes that is run every minute."""
    kernel, asking = kernels.now, execute_request("run")
    await finished_before(served, kernel, asking)
    for _ in range(3):
        async with open_client(served.url("script"), "v1") as client:
            await client.send(asking)
            found = await ask_another(client, kernel)
            assert [m for m in about(asking["header"], found) if m.channel == "shell"], "silence"
    assert kernel.received.empty()


async def test_the_same_again_while_it_still_runs_gets_the_reply_when_that_comes(
    served: Served, rest: Rest, kernels: Kernels
) -> None:
    kernel, asking = kernels.now, execute_request("run")
    async with AsyncExitStack() as first:
        client = await first.enter_async_context(open_client(served.url("script"), "v1"))
        identity, asked = await ask(client, kernel, asking)
    async with open_client(served.url("script"), "v1") as client:
        await client.send(asking)
        await ask_another(client, kernel)
        await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
        async with within(5, "the reply"):
            reply = await client.until("execute_reply", asking["header"])
        assert reply.content == {"status": "ok"}
        assert kernel.received.empty()


async def test_the_same_again_while_the_network_fails_is_not_executed_twice(
    kernels: Kernels, tmp_path: Path
) -> None:
    """Whether it is a repeat is known when it is known who is there: the same kernel."""
    kernel, asking = kernels.now, execute_request("run")
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://{fields['ip']}:{fields['iopub_port']}") as iopub:
        path = tmp_path / "through-the-cable.json"
        port = int(iopub.url.rpartition(":")[2])
        path.write_text(json.dumps({**fields, "iopub_port": port}))
        async with serving(path, timing=QUICK) as served, rest_of(served) as rest:
            await ready(rest)
            async with open_client(served.url("script"), "v1") as client:
                identity, asked = await ask(client, kernel, asking)
            with iopub.down():
                await ready(rest, 503)
                async with open_client(served.url("script"), "v1") as client:
                    await client.send(asking)
            async with open_client(served.url("script"), "v1") as client:
                await client.send(asking)
                found = await ask_another(client, kernel)
                assert about(asking["header"], found) == [], "it is not lost, and still runs"
                await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
                async with within(5, "the reply"):
                    reply = await client.until("execute_reply", asking["header"])
                assert reply.content == {"status": "ok"}
                assert kernel.received.empty()

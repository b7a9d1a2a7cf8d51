"""A remote kernel with a scripted kernel behind it: what no real one does on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.remote import begun, end, running, say
from tests.support.serving import TOKEN, Served, serving
from w2z.client import RemoteKernel, connect, inboxes
from w2z.client import running as module
from w2z.errors import KernelGone, RemoteError, SessionLost, TimedOut, TooLarge, Unauthorized
from w2z.message import Channel


def url_of(served: Served) -> str:
    return f"http://{served.host}:{served.port}/"


@pytest.fixture
async def remote(served: Served) -> AsyncIterator[RemoteKernel]:
    async with connect(url_of(served), token=TOKEN) as found:
        yield found


async def test_a_run_whose_idle_was_lost_is_over_soon_after_its_reply(
    remote: RemoteKernel, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_WITHIN", 0.05)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(remote.run("x"))
        identity, message = await begun(kernel)
        await kernel.reply(identity, message, "execute_reply", {"status": "ok"})
        done = await run
    assert (done.status, done.is_idle) == ("ok", False)


async def test_what_comes_after_a_timeout_is_dropped(
    remote: RemoteKernel, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This kernel cannot be interrupted."""
    monkeypatch.setattr(module, "SPEAKS_FOR", 0.05)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(remote.run("x", timeout=0.2))
        identity, message = await begun(kernel)
        await say(kernel, message, "before")
        done = await run
        assert (done.status, done.stdout) == ("timeout", "before")
        await say(kernel, message, "after")
        await end(kernel, identity, message)
    async with running(kernel, "next"):
        assert (await remote.run("y")).stdout == "next"
    assert done.stdout == "before"


async def test_a_request_has_its_time(remote: RemoteKernel, kernel: FakeKernel) -> None:
    with pytest.raises(TimedOut, match=r"no reply to odd_request in 0\.05 seconds"):
        await remote.request("odd_request", timeout=0.05)
    identity, message = await begun(kernel)
    await end(kernel, identity, message)
    async with running(kernel):
        reply = await remote.request("odd_request", channel="control", timeout=10)
    assert reply["status"] == "ok"


async def test_a_request_that_is_too_large_is_refused(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, max_message_size=2**20) as served,
        connect(url_of(served), token=TOKEN) as remote,
    ):
        with pytest.raises(TooLarge, match="odd_request: w2z refused it"):
            await remote.request("odd_request", {"data": "a" * 2**21})


async def test_a_request_that_is_lost_raises(kernel: FakeKernel) -> None:
    async with asyncio.TaskGroup() as tasks:
        stopping = asyncio.Event()

        async def ask(url: str) -> None:
            async with connect(url, token=TOKEN) as remote:
                with pytest.raises(SessionLost, match="not known"):
                    await remote.request("odd_request")

        async with serving(kernel.connection_file) as first:
            port = first.port
            asking = tasks.create_task(ask(url_of(first)))
            await begun(kernel)
        async with serving(kernel.connection_file, port=port):
            await asking
        stopping.set()


async def test_messages_without_a_reply(remote: RemoteKernel, kernel: FakeKernel) -> None:
    sent = await remote.send("comm_msg", {"comm_id": "c"}, metadata={"m": 1}, buffers=(b"a", b"b"))
    _, message = await kernel.received.get()
    assert json.loads(message.header)["msg_id"] == sent
    assert json.loads(message.metadata) == {"m": 1}
    assert message.channel is Channel.SHELL
    assert [bytes(one) for one in message.buffers] == [b"a", b"b"]


async def test_what_nobody_takes_stays_with_w2z(
    remote: RemoteKernel, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inboxes, "MOST_UNTAKEN", 2**16)
    messages = remote.messages()
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(remote.run("x"))
        identity, message = await begun(kernel)
        for number in range(200):
            await say(kernel, message, f"{number} " + "x" * 10_000 + "\n")
        await end(kernel, identity, message)
        texts = []
        async for one in messages:
            if one.msg_type == "stream":
                texts.append(one.content["text"].split()[0])
            if one.msg_type == "execute_reply":
                break
        assert texts == [str(number) for number in range(200)]
        assert len((await run).stdout.split()) == 400
    messages.close()
    messages.close()


async def test_an_iterator_that_is_dropped_holds_up_nobody(
    remote: RemoteKernel, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inboxes, "MOST_UNTAKEN", 2**16)
    remote.messages()
    async with running(kernel, *["x" * 10_000] * 50):
        assert len((await remote.run("x")).stdout) == 500_000


async def test_a_question_that_the_end_of_its_code_takes_back(
    remote: RemoteKernel, kernel: FakeKernel
) -> None:
    asked = asyncio.Event()
    taken_back = asyncio.Event()

    async def never(prompt: str, is_secret: bool) -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            taken_back.set()
        return ""

    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(remote.run("x", on_input=never))
        identity, message = await begun(kernel)
        question = message._replace(channel=Channel.STDIN)
        await kernel.reply(identity, question, "input_request", {"prompt": "?"})
        await asked.wait()
        await end(kernel, identity, message)
        assert (await run).status == "ok"
        assert taken_back.is_set()


async def test_after_the_end_everything_raises(served: Served, kernel: FakeKernel) -> None:
    async with connect(url_of(served), token=TOKEN) as remote:
        messages = remote.messages()
    with pytest.raises(KernelGone, match="is closed"):
        await remote.run("x")
    with pytest.raises(KernelGone, match="is closed"):
        await anext(messages)


async def test_what_the_block_raises_is_raised_as_it_is(served: Served) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connect(url_of(served), token=TOKEN):
            raise ZeroDivisionError


async def test_a_block_that_is_cancelled_ends(served: Served) -> None:
    inside = asyncio.Event()

    async def stay() -> None:
        async with connect(url_of(served), token=TOKEN):
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        staying = tasks.create_task(stay())
        await inside.wait()
        staying.cancel()
    assert staying.cancelled()


async def test_who_is_not_let_in_is_told_at_once(served: Served) -> None:
    with pytest.raises(Unauthorized):
        async with connect(url_of(served), token="wrong"):
            pass
    with pytest.raises(RemoteError):
        async with connect("nothing"):
            pass

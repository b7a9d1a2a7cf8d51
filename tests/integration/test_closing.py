"""A client that has said what it wanted closes: what it said before counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import ready, rest_of, within
from tests.support.raw_websocket import (
    PING,
    PONG,
    TEXT,
    close_frame,
    fragments,
    frame,
    message,
    raw_websocket,
)
from tests.support.rest import Rest
from tests.support.serving import Served
from w2z.message import Message

sessions = pytest.mark.parametrize("session", ["a", None], ids=["named", "nameless"])


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Rest]:
    async with rest_of(served) as found:
        await ready(found)
        yield found


def numbered(count: int) -> list[dict[str, Any]]:
    return [request("odd_request", {"n": n}) for n in range(count)]


async def received(kernel: FakeKernel, sent: list[dict[str, Any]], *, ordered: bool = True) -> None:
    """The kernel receives these, in this order."""
    got: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while len(got) < len(sent):
                got.append(json.loads((await kernel.received.get())[1].header)["msg_id"])
    wanted = [one["header"]["msg_id"] for one in sent]
    assert len(got) == len(wanted), f"the kernel received {len(got)} of {len(wanted)}"
    assert (got if ordered else sorted(got)) == (wanted if ordered else sorted(wanted))


# What comes together.


@sessions
@pytest.mark.parametrize("count", [1, 3, 200])
async def test_messages_read_together_with_a_close_are_carried(
    served: Served, kernel: FakeKernel, rest: Rest, session: str | None, count: int
) -> None:
    sent = numbered(count)
    async with raw_websocket(served, session) as client:
        await client.send(*map(message, sent), close_frame(1000))
        assert await client.closed_with() == 1000
        await received(kernel, sent)
        assert await client.http.is_closed()


async def test_fragments_read_together_with_a_close_are_carried(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    sent = numbered(3)
    async with raw_websocket(served) as client:
        frames = [piece for one in sent for piece in fragments(one)]
        await client.send(*frames, close_frame(1000))
        assert await client.closed_with() == 1000
        await received(kernel, sent)


async def test_the_end_of_a_message_read_together_with_a_close_is_carried(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    [sent] = numbered(1)
    first, *others = fragments(sent)
    async with raw_websocket(served) as client:
        await client.send(first)
        await client.is_read()
        await client.send(*others, close_frame(1000))
        assert await client.closed_with() == 1000
        await received(kernel, [sent])


async def test_pings_between_messages_and_a_close_are_answered_and_change_nothing(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    sent = numbered(2)
    first, second = map(message, sent)
    async with raw_websocket(served) as client:
        await client.send(
            frame(b"one", PING), first, frame(b"two", PING), second, close_frame(1000)
        )
        assert [await client.control(PONG) for _ in range(2)] == [b"one", b"two"]
        assert await client.closed_with() == 1000
        await received(kernel, sent)


async def test_a_message_on_each_channel_is_carried_with_a_close_behind_it(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    sent = [
        request("odd_request", channel="shell"),
        request("odd_request", channel="control"),
        request("input_reply", {"value": "42"}, channel="stdin"),
    ]
    async with raw_websocket(served) as client:
        await client.send(*map(message, sent), close_frame(1000))
        assert await client.closed_with() == 1000
        async with within(5, "the kernel receives one on each channel"):
            got = [(await kernel.received.get())[1] for _ in sent]
        assert {one.channel.value for one in got} == {"shell", "control", "stdin"}


async def test_what_comes_behind_a_close_is_not_carried(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    first, second, third = numbered(3)
    async with raw_websocket(served) as client:
        await client.send(message(first), close_frame(1000), message(second))
        assert await client.closed_with() == 1000
    async with raw_websocket(served, "b") as other:
        await other.send(message(third))
        await received(kernel, [first, third])


@pytest.mark.parametrize("together", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(b"not a message"), 1007),
        (frame(b"{}", TEXT), 1003),
        (message(request("stream", channel="iopub")), 1008),
        (frame(b"", 0x3), 1002),
    ],
    ids=["malformed", "text", "to iopub", "no opcode"],
)
async def test_a_wrong_message_before_a_close_is_told_as_it_is_without_one(
    served: Served, kernel: FakeKernel, rest: Rest, wrong: bytes, code: int, together: bool
) -> None:
    """However TCP cuts it: what is good before the wrong one is carried, nothing behind it is."""
    good, never, other = numbered(3)
    async with raw_websocket(served) as client:
        if together:
            await client.send(message(good), wrong, message(never), close_frame(1000))
        else:
            await client.send(message(good), wrong)
        assert await client.closed_with() == code
    async with raw_websocket(served, "b") as another:
        await another.send(message(other))
        await received(kernel, [good, other])


@sessions
async def test_what_a_real_client_sends_right_before_it_closes_is_carried(
    served: Served, kernel: FakeKernel, rest: Rest, session: str | None
) -> None:
    sent = numbered(100)
    for one in sent:
        async with open_client(served.url(session), "v1") as client:
            await client.send(one)
    # Each nameless one has sockets of its own: they have no order among each other.
    await received(kernel, sent, ordered=session is not None)


async def test_messages_and_the_end_of_the_stream_together_are_carried(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    """As of a program that is killed, or of a proxy that has lost its own client."""
    sent = numbered(3)
    async with raw_websocket(served) as client:
        await client.send(*map(message, sent))
        client.http.writer.write_eof()
        await received(kernel, sent)


# What w2z still has when the close comes, because the kernel takes nothing yet.


@pytest.fixture
def is_up(kernel: FakeKernel) -> asyncio.Event:
    """The kernel answers nothing until this is set; then it is ready."""
    event = asyncio.Event()

    async def answer_later(identity: bytes, asked: Message) -> None:
        await event.wait()
        await kernel.answer_info(identity, asked)

    kernel.on_kernel_info = answer_later
    return event


@sessions
@pytest.mark.parametrize("count", [1, 50])
async def test_messages_for_a_kernel_that_is_not_ready_outlive_the_close(
    is_up: asyncio.Event, served: Served, kernel: FakeKernel, session: str | None, count: int
) -> None:
    sent = numbered(count)
    async with raw_websocket(served, session) as client:
        await client.send(*map(message, sent), close_frame(1000))
        # Whether the close is answered before or after the kernel is ready is w2z's to choose.
        is_up.set()
        assert await client.closed_with() == 1000
        await received(kernel, sent)


@sessions
async def test_they_outlive_a_client_that_does_not_wait_for_the_answer_to_its_close(
    is_up: asyncio.Event, served: Served, kernel: FakeKernel, session: str | None
) -> None:
    sent = numbered(3)
    async with raw_websocket(served, session) as client:
        await client.send(*map(message, sent), close_frame(1000))
    is_up.set()
    await received(kernel, sent)


async def test_they_outlive_the_end_of_the_stream(
    is_up: asyncio.Event, served: Served, kernel: FakeKernel
) -> None:
    sent = numbered(3)
    async with raw_websocket(served) as client:
        await client.send(*map(message, sent))
    is_up.set()
    await received(kernel, sent)


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "cut"])
async def test_one_that_is_sent_again_by_the_next_connection_arrives_once(
    is_up: asyncio.Event, served: Served, kernel: FakeKernel, closes: bool
) -> None:
    first, second = numbered(2)
    async with raw_websocket(served) as client:
        await client.send(message(first), *[close_frame()] * closes)
        if not closes:
            client.http.writer.transport.abort()
    async with raw_websocket(served) as client:
        await client.send(message(first), message(second))
        is_up.set()
        await received(kernel, [first, second])


async def test_messages_that_wait_for_a_kernel_that_takes_no_more_outlive_the_close(
    served: Served, kernel: FakeKernel, rest: Rest
) -> None:
    sent = [request("odd_request", {"code": "x" * 500_000, "n": n}) for n in range(200)]
    kernel.reads_shell.clear()
    async with (
        raw_websocket(served) as client,
        raw_websocket(served, "b") as other,
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(client.send(*map(message, sent), close_frame(1000)))
        await other.send(message(request("odd_request", channel="control")))
        await kernel.received.get()
        assert not sending.done(), "100 MB went where nobody reads"
        kernel.reads_shell.set()
        await received(kernel, sent)
        assert await client.closed_with() == 1000

"""Messages of any size and shape from the kernel: none holds w2z up, and none takes its memory.

The fixture ``no_stall`` sees to the first in every test.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import zmq

from tests.support.client import Client, open_client, request
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.memory import growth
from tests.support.serving import Served, serving
from tests.support.waiting import ready, until
from w2z.kernel.sockets.drained import MAX_FRAMES
from w2z.message import Buffer, Channel, Message
from w2z.wire.json import parse_object
from w2z.wire.zmq import DELIMITER, to_parts

MIB = 2**20


def raw(kernel: FakeKernel, channel: Channel, *parts: Buffer) -> None:
    """Send a multipart as it is."""
    # Without asyncio, which would copy the list for every frame.
    socket: zmq.Socket[bytes] = zmq.Socket.shadow(kernel.socket(channel).underlying)
    socket.send_multipart(parts)


def output(text: str, buffers: tuple[bytes, ...] = (), msg_type: str = "stream") -> Message:
    content = as_json({"name": "stdout", "text": text})
    return Message(Channel.IOPUB, as_json(header(msg_type)), b"{}", b"{}", content, buffers)


async def printed(client: Client, text: str) -> list[str]:
    """Read until this text was printed; returns the texts printed before it."""
    before: list[str] = []
    while True:
        got = (await client.until("stream")).content["text"]
        if got == text:
            return before
        before.append(got)


DELIMITERS = [DELIMITER]
SIGNATURES = [DELIMITER, b"0" * 64]
SCATTERED = [DELIMITER, *[b"{}"] * 4]


@pytest.mark.parametrize(
    ("junk", "count"),
    [(DELIMITERS, 60_000), (SIGNATURES, 60_000), (SCATTERED, 60_000), (DELIMITERS, 1_000_000)],
)
async def test_junk_of_many_parts_is_dropped_and_the_next_message_carried(
    kernel: FakeKernel, served: Served, junk: list[bytes], count: int
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), "v1") as client:
        raw(kernel, Channel.IOPUB, *junk * (count // len(junk)))
        raw(kernel, Channel.IOPUB, b"topic", *to_parts(output("next"), kernel.signer))
        await printed(client, "next")
    assert served.bridge.reports.dropped == 1


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_message_of_as_many_buffers_as_w2z_takes_arrives_whole(
    kernel: FakeKernel, served: Served, wire: str
) -> None:
    await ready(served.bridge.kernel)
    buffers = tuple(b"%d" % number for number in range(60_000))
    async with open_client(served.url("a"), wire) as client:
        await kernel.publish(output("many", buffers))
        got = await client.until("stream")
    assert got.buffers == list(buffers)


async def test_output_of_too_many_parts_is_told_as_missing_in_its_cell(
    kernel: FakeKernel, served: Served
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), "v1") as client:
        await kernel.iopub("status", {"execution_state": "busy"}, {"msg_id": "cell"})
        await kernel.publish(output("lost", (b"x",) * MAX_FRAMES))
        await kernel.publish(output("next"))
        notice = await client.until("stream")
        assert await printed(client, "next") == []
    assert notice.metadata["w2z_gap"]["messages"] == 1
    assert notice.parent_header["msg_id"] == "cell"
    assert "more at once than w2z carries" in notice.content["text"]


MOST_OUTPUT, MOST = 23 * MIB, 60 * MIB
"""Bytes: nearly the most that w2z carries at once to clients, and to the kernel, if it is not told
otherwise.
"""


@pytest.mark.parametrize("wire", ["v1", "default"])
@pytest.mark.parametrize("is_content", [True, False])
async def test_the_largest_output_arrives_whole(
    kernel: FakeKernel, served: Served, wire: str, is_content: bool
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), wire) as client:
        made = output("x" * MOST_OUTPUT) if is_content else output("", (bytes(MOST_OUTPUT),))
        await kernel.publish(made)
        await kernel.publish(output("next"))
        [got] = await printed(client, "next")
        assert len(got) == (MOST_OUTPUT if is_content else 0)


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_the_largest_request_arrives_whole(
    kernel: FakeKernel, served: Served, wire: str
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), wire) as client:
        await client.send(
            {**request("comm_msg", {"data": "x" * 15 * MIB}), "buffers": [bytes(MOST - 15 * MIB)]}
        )
        await client.send(request("odd_request"))
        _, got = await kernel.received.get()
        assert len(got.buffers[0]) == MOST - 15 * MIB
        assert b"odd_request" in (await kernel.received.get())[1].header


LARGE: dict[str, Callable[[], Message]] = {
    "content": lambda: output("x" * (3 * MIB // 2)),
    "one buffer": lambda: output("lost", (bytes(3 * MIB // 2),)),
    "many buffers": lambda: output("lost", (bytes(MIB // 8),) * 9),
    "a part received blindly": lambda: output("lost")._replace(metadata=bytes(3 * MIB // 2)),
}


@pytest.mark.parametrize("made", LARGE)
async def test_too_large_output_is_told_as_missing_and_the_next_is_carried(
    kernel: FakeKernel, made: str
) -> None:
    async with serving(kernel.connection_file, max_kernel_message_size=MIB) as served:
        await ready(served.bridge.kernel)
        async with open_client(served.url("a"), "v1") as client:
            await kernel.publish(LARGE[made]())
            await kernel.publish(output("next"))
            [told] = await printed(client, "next")
        assert "were dropped here" in told
        assert served.bridge.reports.dropped == 1


async def test_after_a_frame_that_libzmq_refuses_output_arrives_again(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, max_kernel_message_size=MIB) as served:
        await ready(served.bridge.kernel)
        async with open_client(served.url("a"), "v1") as client:
            kernel.subscribed.clear()
            await kernel.publish(output("x" * 5 * MIB))
            await kernel.subscribed.wait()
            await ready(served.bridge.kernel)
            await kernel.publish(output("next"))
            await printed(client, "next")
            # Requests go to the kernel, and replies come back.
            sent = await client.send(request("odd_request"))
            identity, asked = await kernel.received.get()
            await kernel.reply(identity, asked, "odd_reply", {"status": "ok"})
            await client.until("odd_reply", sent)


async def test_a_reply_too_large_is_dropped_and_the_next_is_carried(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, max_kernel_message_size=MIB) as served:
        await ready(served.bridge.kernel)
        async with open_client(served.url("a"), "v1") as client:
            sent = await client.send(request("odd_request"))
            identity, asked = await kernel.received.get()
            await kernel.reply(identity, asked, "odd_reply", {"pad": "x" * (3 * MIB // 2)})
            await kernel.reply(identity, asked, "odd_reply", {"status": "ok"})
            assert (await client.until("odd_reply", sent)).content == {"status": "ok"}
        assert served.bridge.reports.dropped == 1


async def test_a_flood_of_large_statuses_leaves_nothing_behind(
    kernel: FakeKernel, served: Served
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), "v1") as client:
        with growth() as grown:
            pad = {"pad": "x" * MIB}
            for number in range(60):
                parent = {"msg_id": str(number), **pad}
                await kernel.iopub("status", {"execution_state": "busy", **pad}, parent)
                await kernel.publish(output(str(number)))
                await printed(client, str(number))
            assert grown() < 40 * MIB
        await kernel.iopub("status", {"execution_state": "busy"}, {"msg_id": "cell"})
        await client.until("status", {"msg_id": "cell"})
    assert served.bridge.kernel.is_busy


async def test_an_answer_to_w2z_of_any_size_makes_the_kernel_ready(kernel: FakeKernel) -> None:
    kernel.info = {"status": "ok", "implementation": "odd", "banner": "x" * 20 * MIB}
    async with serving(kernel.connection_file) as served:
        await ready(served.bridge.kernel)
        # It is not looked into, so nothing is known of the kernel.
        assert served.bridge.kernel.info == {}
        assert served.bridge.kernel.info_content is None
        async with open_client(served.url("a"), "v1") as client:
            sent = await client.send(request("kernel_info_request"))
            reply = await client.until("kernel_info_reply", sent)
            assert reply.content == kernel.info, "what the kernel answers a client is carried"


async def test_a_question_too_large_to_be_kept_is_asked_once(
    kernel: FakeKernel, served: Served
) -> None:
    await ready(served.bridge.kernel)
    for size, again in ((100, True), (MIB, False)):
        async with open_client(served.url(f"{size}"), "v1") as client:
            await client.send(request("odd_request"))
            identity, asked = await kernel.received.get()
            question = Message(
                Channel.STDIN,
                as_json(header("input_request")),
                asked.header,
                b"{}",
                as_json({"prompt": "?" * size}),
            )
            await kernel.send(identity, question)
            await client.until("input_request")
        session = served.bridge.clients.hub.sessions()[-1]
        session.question.next_connection(2**60)
        assert [m.content for m in session.question.ask_again()] == [question.content] * again


async def test_a_parent_too_large_to_be_looked_into_is_carried(
    kernel: FakeKernel, served: Served
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), "v1") as client:
        sent = await client.send(request("odd_request"))
        identity, asked = await kernel.received.get()
        parent = {**parse_object(asked.header, "header"), "pad": "[]," * MIB}
        reply = Message(Channel.SHELL, as_json(header("odd_reply")), as_json(parent), b"{}", b"{}")
        await kernel.send(identity, reply)
        assert (await client.until("odd_reply", sent)).parent_header == parent


async def test_a_reply_waits_for_the_output_before_it_however_many_parts_that_has(
    kernel: FakeKernel, served: Served
) -> None:
    await ready(served.bridge.kernel)
    async with open_client(served.url("a"), "v1") as client:
        await client.send(request("odd_request"))
        identity, asked = await kernel.received.get()
        parts = to_parts(output("first", (b"x",) * (MAX_FRAMES - 100)), kernel.signer)
        raw(kernel, Channel.IOPUB, b"topic", *parts)
        # In this very step of the event loop: it is there, and w2z has not received any of it.
        arrived, _, _ = select.select([served.bridge.kernel.link.channels._iopub._fd], [], [], 30)
        assert arrived
        await kernel.reply(identity, asked, "odd_reply", {})
        seen = [await client.recv()]
        while seen[-1].msg_type != "odd_reply":
            seen.append(await client.recv())
        assert [one.content["text"] for one in seen if one.msg_type == "stream"] == ["first"]


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_large_message_to_many_slow_clients_is_in_memory_a_few_times(
    kernel: FakeKernel, served: Served, wire: str
) -> None:
    await ready(served.bridge.kernel)
    size = 16 * MIB
    async with AsyncExitStack() as stack:
        sessions = [served.url(f"{number}") for number in range(20)]
        for url in sessions:
            # They read on only when they are told to.
            await stack.enter_async_context(open_client(url, wire, max_queue=1))
        with growth() as grown:
            await kernel.publish(output("x" * size))
            hub = served.bridge.clients.hub
            await until(lambda: not any(s.flowing for s in hub.sessions()), "all are stalled")
            # The kernel's own, ZMQ's and w2z's, and one for each format; each client's pieces.
            assert grown() < 6 * size

"""A session is connected to the kernel's stdin only where it may be asked, and before that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from tests.support.client import Client, execute_request, open_client, request
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.serving import Served
from tests.support.waiting import until
from w2z.kernel.sockets import dealers
from w2z.message import Channel, Message


class Door:
    """Who has connected to the kernel's stdin."""

    def __init__(self, monitor: zmq.Socket[bytes]) -> None:
        self._monitor = monitor
        self._count = 0

    @property
    def count(self) -> int:
        """How many connections there were until now."""
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            self._count += event["event"] == zmq.EVENT_ACCEPTED
        return self._count


@asynccontextmanager
async def door(kernel: FakeKernel) -> AsyncIterator[Door]:
    address = f"inproc://stdin-{id(kernel)}"
    stdin = kernel.socket(Channel.STDIN)
    stdin.monitor(address, zmq.EVENT_ACCEPTED)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(stdin.context)
    with context.socket(zmq.PAIR) as monitor:
        monitor.linger = 0
        monitor.connect(address)
        yield Door(monitor)
        stdin.disable_monitor()


async def answered(client: Client, kernel: FakeKernel, msg_type: str = "execute_request") -> None:
    """The kernel takes the client's next request and answers it."""
    identity, asked = await kernel.received.get()
    assert json.loads(asked.header)["msg_type"] == msg_type
    await kernel.reply(identity, asked, "any_reply", {"status": "ok"})
    await client.until("any_reply")


@pytest.fixture
async def settled(served: Served, kernel: FakeKernel) -> Served:
    """w2z beside a kernel that has answered its first question."""
    await until(lambda: served.bridge.kernel.link.channels.is_settled, "the kernel has answered")
    return served


async def test_who_is_never_asked_has_no_connection(settled: Served, kernel: FakeKernel) -> None:
    async with door(kernel) as stdin:
        for name in "abcde":
            async with open_client(settled.url(name), "v1") as client:
                await client.send(execute_request("1", allow_stdin=False))
                await answered(client, kernel)
                await client.send(request("complete_request", {"code": "x"}))
                await answered(client, kernel, "complete_request")
        # At most that of w2z's own session, which was opened before, and may be accepted late.
        assert stdin.count <= 1


async def test_who_may_be_asked_is_connected_before_the_kernel_hears_of_it(
    settled: Served, kernel: FakeKernel
) -> None:
    prompt = as_json({"prompt": "?", "password": False})
    async with door(kernel) as stdin, open_client(settled.url("a"), "v1") as client:
        for number in range(3):
            await client.send(execute_request("input()", allow_stdin=True))
            identity, asked = await kernel.received.get()
            assert stdin.count >= 1
            # At once, as the fastest kernel would.
            question = as_json(header("input_request"))
            await kernel.send(
                identity, Message(Channel.STDIN, question, asked.header, b"{}", prompt)
            )
            await client.until("input_request")
            await client.send(request("input_reply", {"value": str(number)}, channel="stdin"))
            answer = await kernel.received.get()
            assert (answer[0], json.loads(answer[1].content)) == (identity, {"value": str(number)})


async def test_what_is_sent_behind_it_stays_behind_it(settled: Served, kernel: FakeKernel) -> None:
    async with open_client(settled.url("a"), "v1") as client:
        sent = [execute_request(str(n), allow_stdin=not n % 3) for n in range(9)]
        for one in sent:
            await client.send(one)
        codes = [json.loads((await kernel.received.get())[1].content)["code"] for _ in sent]
    assert codes == list("012345678")


async def test_a_kernel_without_stdin_gets_it_a_moment_later(
    settled: Served, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealers, "STDIN_PATIENCE", 0.01)
    kernel.socket(Channel.STDIN).close()
    async with open_client(settled.url("a"), "v1") as client:
        for _ in range(2):
            await client.send(execute_request("1", allow_stdin=True))
            await answered(client, kernel)


async def test_who_leaves_meanwhile_is_heard_all_the_same(
    settled: Served, kernel: FakeKernel
) -> None:
    async with open_client(settled.url("a"), "v1") as client:
        await client.send(execute_request("1", allow_stdin=True))
    assert json.loads((await kernel.received.get())[1].content)["code"] == "1"

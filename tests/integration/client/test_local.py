"""The five local sockets, as jupyter_client sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from w2z.client import waiting
from w2z.client.local import Endpoints
from w2z.client.own import own_message
from w2z.errors import ListenError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel, Message


@dataclass
class Kernel:
    """What stands behind the sockets: it notes what clients do."""

    requests: asyncio.Queue[tuple[Channel, bytes, Message]] = field(default_factory=asyncio.Queue)
    crowds: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)
    is_beating: bool = True

    def requested(self, channel: Channel, identity: bytes, message: Message) -> None:
        self.requests.put_nowait((channel, identity, message))

    def beats(self) -> bool:
        return self.is_beating

    def crowded(self, is_full: bool) -> None:
        self.crowds.put_nowait(is_full)


def client_of(info: ConnectionInfo, **more: Any) -> AsyncKernelClient:
    client = AsyncKernelClient(**more)
    fields: Any = info.model_dump(exclude_none=True) | {"key": info.key.encode()}
    client.load_connection_info(fields)
    return client


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture(params=["tcp", "ipc"])
async def endpoints(
    kernel: Kernel, request: pytest.FixtureRequest, nothing_is_left: None
) -> AsyncIterator[Endpoints]:
    async with Endpoints(kernel, transport=request.param, kernel_name="far") as made:
        yield made


@pytest.fixture
async def client(endpoints: Endpoints) -> AsyncIterator[AsyncKernelClient]:
    async for one in opened(endpoints):
        yield one


async def opened(endpoints: Endpoints, **changes: str) -> AsyncIterator[AsyncKernelClient]:
    context = zmq.asyncio.Context()
    client = client_of(endpoints.info.model_copy(update=changes), context=context)
    # Without the heartbeat: its thread may fail when it is stopped right after its start.
    client.start_channels(hb=False)
    try:
        yield client
    finally:
        client.stop_channels()
        context.destroy(linger=0)


async def heard(client: AsyncKernelClient, channel: str) -> dict[str, Any]:
    message: dict[str, Any] = await getattr(client, f"get_{channel}_msg")(timeout=20)
    return message


async def test_a_subscription_is_welcomed(endpoints: Endpoints, client: AsyncKernelClient) -> None:
    welcome = await heard(client, "iopub")
    assert welcome["msg_type"] == "iopub_welcome"
    assert welcome["content"] == {"subscription": ""}
    assert welcome["parent_header"] == {}


async def test_a_request_comes_in_and_its_reply_goes_to_its_sender(
    endpoints: Endpoints, client: AsyncKernelClient, kernel: Kernel
) -> None:
    for name in ("shell", "control"):
        asked = client.session.msg("kernel_info_request", {})
        getattr(client, f"{name}_channel").send(asked)
        channel, identity, message = await kernel.requests.get()
        assert channel == name
        assert json.loads(message.header)["msg_id"] == asked["header"]["msg_id"]
        reply = own_message(channel, "kernel_info_reply", {"status": "ok"})
        endpoints.reply(identity, reply._replace(parent_header=message.header))
        got = await heard(client, name)
        assert got["parent_header"]["msg_id"] == asked["header"]["msg_id"]

    endpoints.reply(identity, own_message(Channel.STDIN, "input_request", {"prompt": "?"}))
    assert (await heard(client, "stdin"))["content"] == {"prompt": "?"}
    client.input("yes")
    channel, identity, message = await kernel.requests.get()
    assert channel is Channel.STDIN
    assert json.loads(message.content) == {"value": "yes"}


async def test_buffers_are_carried_both_ways(
    endpoints: Endpoints, client: AsyncKernelClient, kernel: Kernel
) -> None:
    await heard(client, "iopub")
    asked = client.session.msg("comm_msg", {})
    client.session.send(client.shell_channel.socket, asked, buffers=[b"abc", b"", b"x" * 10**6])
    _, _, message = await kernel.requests.get()
    assert list(map(bytes, message.buffers)) == [b"abc", b"", b"x" * 10**6]
    output = own_message(Channel.IOPUB, "comm_msg", {})._replace(buffers=message.buffers)
    endpoints.publish("comm_msg", output)
    assert list(map(bytes, (await heard(client, "iopub"))["buffers"])) == [
        *message.buffers,
    ]


async def test_what_another_key_signed_is_dropped(
    endpoints: Endpoints, client: AsyncKernelClient, kernel: Kernel, caplog: Any
) -> None:
    async for forger in opened(endpoints, key="another"):
        forger.kernel_info()
        while "signature" not in caplog.text:
            await asyncio.sleep(0)
    client.kernel_info()
    _, _, message = await kernel.requests.get()
    assert json.loads(message.header)["session"] == client.session.session


async def test_heartbeats_are_echoed_while_the_kernel_is_there(
    endpoints: Endpoints, kernel: Kernel
) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as beating:
        beating.linger = 0
        beating.connect(endpoints.info.endpoint(Channel.HB))
        beating.send(b"ping")
        assert await came(beating) == b"ping"
        kernel.is_beating = False
        beating.send(b"ping")
        for _ in range(100):
            await asyncio.sleep(0.001)
        assert not beating.poll(0)


async def came(socket: zmq.Socket[bytes]) -> bytes:
    while not socket.poll(0):
        await asyncio.sleep(0.001)
    return socket.recv()


async def test_two_clients_get_their_own_replies_and_the_same_output(
    endpoints: Endpoints, client: AsyncKernelClient, kernel: Kernel
) -> None:
    async for other in opened(endpoints):
        await heard(other, "iopub")
        asked = {client.kernel_info(): client, other.kernel_info(): other}
        for _ in asked:
            channel, identity, message = await kernel.requests.get()
            reply = own_message(channel, "kernel_info_reply", {})
            endpoints.reply(identity, reply._replace(parent_header=message.header))
        for msg_id, one in asked.items():
            assert (await heard(one, "shell"))["parent_header"]["msg_id"] == msg_id
        endpoints.publish("stream", own_message(Channel.IOPUB, "stream", {"text": "both"}))
        for one in (client, other):
            while (got := await heard(one, "iopub"))["msg_type"] != "stream":
                pass
            assert got["content"] == {"text": "both"}


def display(number: int, text: str = "") -> Message:
    return own_message(Channel.IOPUB, "display_data", {"number": number, "text": text})


@contextmanager
def subscribed(endpoints: Endpoints) -> Iterator[zmq.Socket[bytes]]:
    """A client's iopub as libzmq has it: jupyter_client's own is slow."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(endpoints.info.endpoint(Channel.IOPUB))
        socket.subscribe(b"")
        yield socket


async def number_in(socket: zmq.Socket[bytes]) -> int:
    """The number of the next output that has one."""
    while True:
        while not socket.poll(0):
            await asyncio.sleep(0)
        content = json.loads(socket.recv_multipart()[-1])
        if "number" in content:
            return int(content["number"])


async def welcomed(socket: zmq.Socket[bytes]) -> None:
    while not socket.poll(0):
        await asyncio.sleep(0)
    assert b"iopub_welcome" in socket.recv_multipart()[2]


async def test_a_reader_that_stalls_loses_nothing(
    endpoints: Endpoints, client: AsyncKernelClient, kernel: Kernel
) -> None:
    client.kernel_info()
    _, identity, _ = await kernel.requests.get()
    client.iopub_channel.close()
    with subscribed(endpoints) as reading:
        await welcomed(reading)
        for number in range(20_000):
            endpoints.publish("display_data", display(number, "x" * 2500))
            if not number % 100:
                await asyncio.sleep(0)
        assert await kernel.crowds.get() is True
        # The reply does not wait for a reader that may never come.
        endpoints.reply(identity, own_message(Channel.SHELL, "kernel_info_reply", {}))
        await heard(client, "shell")
        for number in range(20_000):
            assert await number_in(reading) == number
        assert await kernel.crowds.get() is False


async def test_a_reader_that_never_reads_stops_the_others_only_for_a_time(
    endpoints: Endpoints,
    kernel: Kernel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(waiting, "MOST_OUTPUT", 10**6)
    monkeypatch.setattr(waiting, "LOSES_AFTER", 1)
    with subscribed(endpoints) as reading, subscribed(endpoints) as asleep:
        await welcomed(reading)
        await welcomed(asleep)
        # libzmq's own marks, and the buffers of the connection, are full long before the end.
        for number in range(10_000):
            endpoints.publish("display_data", display(number, "x" * 2500))
            if not number % 100:
                await asyncio.sleep(0)
        for number in range(10_000):
            assert await number_in(reading) == number
        assert "loses some of it" in caplog.text
        assert await kernel.crowds.get() is True
        # Who reads again gets what comes from then on.
        while asleep.poll(0):
            asleep.recv_multipart()
            await asyncio.sleep(0)
        endpoints.publish("display_data", display(-1))
        while await number_in(asleep) >= 0:
            pass


def files(folder: Path) -> int:
    return len(list(folder.iterdir()))


async def test_given_places_are_used(kernel: Kernel, tmp_path: Path) -> None:
    async with Endpoints(kernel) as first:
        taken = first.info
        with pytest.raises(ListenError, match="is taken"):
            Endpoints(kernel, taken)
    async with Endpoints(kernel, taken) as second:
        assert second.info == taken
    named = taken.model_copy(update={"transport": "ipc", "ip": str(tmp_path / "there")})
    async with Endpoints(kernel, named):
        assert files(tmp_path) == 5
    assert files(tmp_path) == 0


async def test_an_address_that_is_not_ours_is_told(kernel: Kernel) -> None:
    async with Endpoints(kernel) as made:
        elsewhere = made.info.model_copy(update={"ip": "192.0.2.1"})
    with pytest.raises(ListenError, match=r"192\.0\.2\.1.*cannot be used"):
        Endpoints(kernel, elsewhere)

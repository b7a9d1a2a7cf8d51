"""What a client had said when its connection closed, and what it says after that.

Everything received before the close, in its order, goes to the kernel; nothing after it does.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Close, Frame, Opcode

from tests.support.client import Client, open_client, request, to_default, to_v1
from tests.support.fake_kernel import FakeKernel, fake_kernel
from tests.support.serving import Served, serving
from w2z.message import Message, Request
from w2z.server.websocket import Websocket
from w2z.server.websocket_client import READ_AHEAD, WebsocketClient

named_or_not = pytest.mark.parametrize("session", ["a", None])


def frame(opcode: Opcode, data: bytes) -> bytes:
    """As a client sends it."""
    return Frame(opcode, data).serialize(mask=True)


def message(number: int, *, channel: str = "shell", text: str = "") -> dict[str, Any]:
    return request("odd_request", {"number": number, "text": text}, channel=channel)


def said(*messages: dict[str, Any]) -> bytes:
    return b"".join(frame(Opcode.BINARY, to_v1(one)) for one in messages)


def closing(code: int = 1000, reason: str = "bye") -> bytes:
    return frame(Opcode.CLOSE, Close(code, reason).serialize())


MALFORMED = frame(Opcode.BINARY, b"\0")
BROKEN = b"\x83\x80\0\0\0\0"


def write(client: Client, data: bytes) -> None:
    """In one piece, which w2z reads at once."""
    client.websocket.transport.write(data)


def number(heard: Message) -> int:
    found: int = json.loads(heard.content)["number"]
    return found


async def hears(kernel: FakeKernel, count: int) -> list[int]:
    """The numbers of the next messages that the kernel gets."""
    return [number((await kernel.received.get())[1]) for _ in range(count)]


class Gate:
    """A kernel that takes requests from when it is told to: until then it answers nothing."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel
        self._is_open = asyncio.Event()
        kernel.on_kernel_info = self._answer

    async def _answer(self, identity: bytes, asked: Message) -> None:
        await self._is_open.wait()
        await self.kernel.answer_info(identity, asked)

    def open(self) -> None:
        self._is_open.set()


@pytest.fixture
async def gate(tmp_path: Path, nothing_is_left: None) -> AsyncIterator[Gate]:
    async with fake_kernel(tmp_path) as kernel:
        yield Gate(kernel)


@asynccontextmanager
async def not_ready(gate: Gate, **settings: Any) -> AsyncIterator[Served]:
    async with serving(gate.kernel.connection_file, **settings) as served:
        try:
            yield served
        finally:
            gate.open()


async def leaves(served: Served, client: Client, data: bytes) -> tuple[int | None, str]:
    """Say something and go; returns what w2z says to that."""
    write(client, data)
    code = await client.closed()
    while served.bridge.clients.connections:
        await asyncio.sleep(0)
    return code


# A kernel that takes everything.


@named_or_not
async def test_what_comes_together_with_a_close_frame_is_carried(
    served: Served, kernel: FakeKernel, session: str | None
) -> None:
    sent = [message(n) for n in range(20)]
    async with open_client(served.url(session), "v1") as client:
        assert await leaves(served, client, said(*sent) + closing()) == (1000, "bye")
        assert await hears(kernel, 20) == list(range(20))


@named_or_not
@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_who_sends_and_closes_at_once_is_heard(
    served: Served, kernel: FakeKernel, session: str | None, wire: str
) -> None:
    for n in range(20):
        async with open_client(served.url(session), wire) as client:
            payload = (to_v1 if wire == "v1" else to_default)(message(n))
            await client.websocket.send(payload)
        assert await hears(kernel, 1) == [n]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (MALFORMED, 1007),
        (said(message(2, channel="iopub")), 1008),
        (frame(Opcode.TEXT, b"{}"), 1003),
        (BROKEN, 1002),
    ],
    ids=["malformed", "not allowed", "text", "broken"],
)
@pytest.mark.parametrize(
    "behind",
    [b"", closing(), BROKEN, said(message(3)) + closing()],
    ids=["nothing", "a close", "broken frames", "a message and a close"],
)
async def test_the_first_fault_says_how_the_connection_closes(
    served: Served, kernel: FakeKernel, bad: bytes, code: int, behind: bytes
) -> None:
    async with (
        open_client(served.url("a"), "v1") as client,
        open_client(served.url("b"), "v1") as other,
    ):
        write(client, said(message(1)) + bad + behind)
        assert (await client.closed())[0] == code
        await other.send(message(4))
        assert sorted(await hears(kernel, 2)) == [1, 4]


async def test_a_ping_before_a_close_frame_is_answered_before_it(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        answered = await client.websocket.ping(b"?")
        write(client, frame(Opcode.PING, b"!") + closing())
        await client.closed()
        await answered


# A kernel that takes nothing yet.


@named_or_not
async def test_the_close_is_answered_at_once_and_what_was_said_goes_later(
    gate: Gate, session: str | None
) -> None:
    async with not_ready(gate) as served, open_client(served.url(session), "v1") as client:
        sent = said(*(message(n) for n in range(10)))
        assert await leaves(served, client, sent + closing()) == (1000, "bye")
        assert gate.kernel.received.empty()
        gate.open()
        assert await hears(gate.kernel, 10) == list(range(10))


ENDS = {
    "without a close frame": b"",
    "by a malformed message": MALFORMED,
    "by a message that is not allowed": said(message(3, channel="iopub")),
    "by a long heartbeat": said(message(3, channel="hb", text="x" * 2**10)),
    "by a broken frame": BROKEN,
}


@named_or_not
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_however_it_ends_what_came_before_goes_later(
    gate: Gate, session: str | None, end: bytes
) -> None:
    async with not_ready(gate) as served, open_client(served.url(session), "v1") as client:
        write(client, said(message(1), message(2)) + end)
        if not end:
            client.websocket.transport.write_eof()
        await client.closed()
        gate.open()
        assert await hears(gate.kernel, 2) == [1, 2]


async def test_while_the_kernel_takes_nothing_pings_are_answered(gate: Gate) -> None:
    async with not_ready(gate) as served, open_client(served.url("a"), "v1") as client:
        for n in range(3):
            await client.send(message(n))
            await (await client.websocket.ping())
        gate.open()
        assert await hears(gate.kernel, 3) == [0, 1, 2]


async def test_who_says_much_more_than_the_kernel_takes_is_not_read_from(gate: Gate) -> None:
    async with not_ready(gate) as served, open_client(served.url("a"), "v1") as client:
        for n in range(300):
            write(client, said(message(n, text="x" * 100_000)))
        [connection] = served.connections
        while not connection.reading.is_stopped:
            await asyncio.sleep(0)
        [waiting] = [one.waiting for one in served.bridge.clients]
        assert READ_AHEAD < waiting < 1_000_000
        gate.open()
        assert await hears(gate.kernel, 300) == list(range(300))
        assert not connection.reading.is_stopped


async def test_what_may_not_be_sent_ends_what_waits(gate: Gate) -> None:
    """There is nobody left to tell."""
    async with not_ready(gate) as served:
        async with open_client(served.url("a"), "v1") as client:
            bad = message(2, channel="iopub")
            assert await leaves(served, client, said(message(1), bad, message(3)) + closing())
        async with open_client(served.url("a"), "v1") as client:
            await client.send(message(4))
            gate.open()
            assert await hears(gate.kernel, 2) == [1, 4]
            await client.websocket.ping()


async def test_the_next_connection_of_a_session_speaks_after_the_last(gate: Gate) -> None:
    async with not_ready(gate) as served:
        for n in range(3):
            async with open_client(served.url("a"), "v1") as client:
                await leaves(served, client, said(message(n)) + closing())
        async with open_client(served.url("a"), "v1") as client:
            await client.send(message(3))
            await client.send(message(4))
            await client.websocket.ping()
            gate.open()
            assert await hears(gate.kernel, 5) == list(range(5))
            await client.send(message(5))
            assert await hears(gate.kernel, 1) == [5]


async def test_a_connection_that_is_replaced_is_heard_before_its_successor(gate: Gate) -> None:
    async with not_ready(gate) as served, open_client(served.url("a"), "v1") as older:
        await older.send(message(1))
        await older.send(message(2))
        await (await older.websocket.ping())
        async with open_client(served.url("a"), "v1") as newer:
            assert (await older.closed())[0] == 4409
            await newer.send(message(3))
            await newer.websocket.ping()
            gate.open()
            assert await hears(gate.kernel, 3) == [1, 2, 3]


async def test_who_sends_again_what_still_waits_is_heard_once(gate: Gate) -> None:
    once = message(1)
    async with not_ready(gate) as served:
        async with open_client(served.url("a"), "v1") as client:
            await leaves(served, client, said(once) + closing())
        async with open_client(served.url("a"), "v1") as client:
            await client.send(once)
            await client.send(message(2))
            await client.websocket.ping()
            gate.open()
            assert await hears(gate.kernel, 2) == [1, 2]


async def test_what_waits_is_bounded(
    gate: Gate, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with not_ready(gate, max_message_size=10_000) as served:
        for n in range(5):
            async with open_client(served.url(f"session-{n}"), "v1") as client:
                await leaves(served, client, said(message(n, text="x" * 6000)) + closing())
        gate.open()
        # One message fits, and one more may be begun with.
        assert sorted(await hears(gate.kernel, 2)) == [0, 1]
        async with open_client(served.url("a"), "v1") as client:
            await client.send(message(9))
            assert await hears(gate.kernel, 1) == [9]
    told = [r.getMessage() for r in caplog.records if "has left" in r.getMessage()]
    assert len(told) == 3


async def test_what_waits_goes_with_its_session(gate: Gate) -> None:
    async with not_ready(gate, resume_window=0.05) as served:
        async with open_client(served.url("a"), "v1") as client:
            await leaves(served, client, said(message(1)) + closing())
        while served.bridge.clients.sessions:
            await asyncio.sleep(0)
        async with open_client(served.url("b"), "v1") as client:
            await client.send(message(2))
            gate.open()
            assert await hears(gate.kernel, 1) == [2]


async def test_without_a_session_it_waits_for_a_while_only(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.bridge.fanout.LAST_REQUESTS", 0)
    monkeypatch.setattr("w2z.bridge.fanout.SWEEP", 0.01)
    async with not_ready(gate) as served:
        async with open_client(served.url(), "v1") as client:
            await leaves(served, client, said(message(1)) + closing())
        while list(served.bridge.clients):
            await asyncio.sleep(0)
        async with open_client(served.url("b"), "v1") as client:
            await client.send(message(2))
            gate.open()
            assert await hears(gate.kernel, 1) == [2]


async def test_what_waits_without_a_session_gives_way_to_a_newcomer(gate: Gate) -> None:
    async with not_ready(gate, max_connections=2) as served:
        for n in range(3):
            async with open_client(served.url(), "v1") as client:
                await leaves(served, client, said(message(n)) + closing())
        gate.open()
        assert sorted(await hears(gate.kernel, 2)) == [1, 2]


async def test_what_waits_goes_to_the_kernel_that_takes_its_place(gate: Gate) -> None:
    async with not_ready(gate) as served, open_client(served.url(), "v1") as client:
        await leaves(served, client, said(message(1)) + closing())
        served.bridge.kernel.reconnect()
        gate.open()
        assert await hears(gate.kernel, 1) == [1]


async def test_a_defect_on_its_way_ends_what_waits_and_nothing_else(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with not_ready(gate) as served:
        async with open_client(served.url("a"), "v1") as client:
            await leaves(served, client, said(message(1), message(2)) + closing())
        carry = type(served.bridge).to_kernel

        def fail(bridge: Any, session_id: str, carried: Request) -> bool:
            if number(carried.message) == 1:
                raise RuntimeError
            return carry(bridge, session_id, carried)

        monkeypatch.setattr(type(served.bridge), "to_kernel", fail)
        async with open_client(served.url("a"), "v1") as client:
            await client.send(message(3))
            gate.open()
            assert await hears(gate.kernel, 1) == [3]
        assert served.bridge.reports.defects == 1


# After the close.


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[Websocket, int]]:
    """How many bytes each connection was given."""
    found: dict[Websocket, int] = {}
    original = Websocket.data_received

    def count(self: Websocket, data: bytes) -> None:
        original(self, data)
        found[self] = found.get(self, 0) + len(data)

    monkeypatch.setattr(Websocket, "data_received", count)
    yield found
    found.clear()


async def test_what_a_replaced_client_sends_on_is_not_kept(
    served: Served, kernel: FakeKernel, received: dict[Websocket, int]
) -> None:
    async with open_client(served.url("a"), "v1") as older:
        [connection] = served.bridge.clients
        assert isinstance(connection, WebsocketClient)
        older.websocket.transport.pause_reading()
        async with open_client(served.url("a"), "v1") as newer:
            begin = received.get(connection.websocket, 0)
            much = said(*(message(n, text="x" * 1000) for n in range(500)))
            write(older, much)
            while received.get(connection.websocket, 0) - begin < len(much):
                await asyncio.sleep(0)
            frames = [one for one in gc.get_objects() if isinstance(one, Frame)]
            assert len([one for one in frames if b"xxx" in one.data]) <= 1, "the latest, at most"
            await newer.send(message(1000))
            assert await hears(kernel, 1) == [1000]
        older.websocket.transport.resume_reading()
        assert (await older.closed())[0] == 4409

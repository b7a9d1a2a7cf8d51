"""Whoever takes nothing, or sends without end, costs a bounded amount of memory and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.attaching import announced, until_announced
from tests.support.client import open_client, request, to_v1
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.kernels import AUTH, Kernels, answered, kernels_in, ready, rest_of, within
from tests.support.memory import MIB, growth
from tests.support.raw_http import RawHttp, raw_http
from tests.support.raw_websocket import (
    RawWebsocket,
    close_frame,
    frame,
    message,
    raw_websocket,
    unmasked,
)
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from tests.support.transports import narrow, other_end
from w2z.bridge import bridge
from w2z.kernel.sockets.under_way import BYTES_MARK
from w2z.message import Channel, Message
from w2z.timing import Timing

SOON = replace(QUICK, unread=0.5)


@pytest.fixture
async def served(kernel: FakeKernel) -> AsyncIterator[Served]:
    async with serving(kernel.connection_file, timing=SOON) as found:
        yield found


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Rest]:
    async with rest_of(served) as found:
        await ready(found)
        yield found


# A websocket that is being closed.


async def send_on(client: RawWebsocket, size: int, *, is_text: bool = False) -> None:
    """Send so many bytes of messages, until w2z has read them or has cut the connection."""
    one = unmasked(bytes(MIB), 0x1 if is_text else 0x2)
    with contextlib.suppress(ConnectionError):
        for _ in range(size // MIB):
            await client.send(one)


async def test_what_a_replaced_client_sends_on_is_not_kept(served: Served, rest: Rest) -> None:
    async with raw_websocket(served, "a") as old, raw_websocket(served, "a"):
        assert await old.closed_with() == 4409
        with growth() as grown:
            async with within(30, "128 MiB are read, or the connection is cut"):
                await send_on(old, 128 * MIB)
            assert grown() < 16 * MIB, f"{grown() // MIB} MiB are kept"


async def test_many_small_ones_are_not_kept_either(served: Served, rest: Rest) -> None:
    small = frame(b"x" * 100) * 1000
    async with raw_websocket(served, "a") as old, raw_websocket(served, "a"):
        assert await old.closed_with() == 4409
        with growth() as grown:
            async with within(30, "a hundred thousand messages are read, or the connection is cut"):
                with contextlib.suppress(ConnectionError):
                    for _ in range(100):
                        await old.send(small)
            assert grown() < 8 * MIB, f"{grown() // MIB} MiB are kept"


async def test_the_newer_client_is_served_meanwhile(
    served: Served, rest: Rest, kernel: FakeKernel
) -> None:
    async with (
        raw_websocket(served, "a") as old,
        open_client(served.url("a"), "v1") as new,
        asyncio.TaskGroup() as tasks,
    ):
        sending = tasks.create_task(send_on(old, 128 * MIB))
        for _ in range(10):
            await answered(new, kernel)
        await sending
        assert kernel.received.empty()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [(frame(b"not a message"), 1007), (close_frame(), 1000), (frame(b"", 0x3), 1002)],
    ids=["malformed", "closing itself", "no opcode"],
)
async def test_what_comes_behind_a_close_for_another_reason_is_not_kept(
    served: Served, rest: Rest, wrong: bytes, code: int
) -> None:
    async with raw_websocket(served, "a") as client:
        await client.send(wrong)
        assert await client.closed_with() == code
        with growth() as grown:
            async with within(30, "128 MiB are read, or the connection is cut"):
                await send_on(client, 128 * MIB)
            assert grown() < 16 * MIB, f"{grown() // MIB} MiB are kept"


async def test_what_comes_while_w2z_ends_is_not_kept(kernel: FakeKernel) -> None:
    async with contextlib.AsyncExitStack() as peers, contextlib.AsyncExitStack() as leaving:
        served = await leaving.enter_async_context(
            serving(kernel.connection_file, timing=SOON, closes_within=1)
        )
        client = await peers.enter_async_context(raw_websocket(served, "a"))
        with growth() as grown:
            async with asyncio.TaskGroup() as tasks:
                ending = tasks.create_task(leaving.aclose())
                assert await client.closed_with() == 1012
                tasks.create_task(send_on(client, 128 * MIB))
                async with within(5, "the end of w2z"):
                    await ending
            assert grown() < 16 * MIB, f"{grown() // MIB} MiB are kept"


# A kernel that takes nothing.


@pytest.fixture
async def patient(kernel: FakeKernel) -> AsyncIterator[Served]:
    """A w2z that does not take a kernel for gone when the machine is busy."""
    async with serving(kernel.connection_file) as found:
        async with rest_of(found) as rest:
            await ready(rest)
        yield found


@pytest.mark.parametrize("size", [4 * MIB, MIB // 4], ids=["long", "short"])
async def test_what_waits_in_zmq_for_a_kernel_that_reads_nothing_is_bounded_in_bytes(
    patient: Served, kernel: FakeKernel, size: int
) -> None:
    count = 128 * MIB // size
    sent = request("comm_msg", buffers=[bytes(size)])
    kernel.reads_shell.clear()
    channels = patient.bridge.kernel.link.channels
    async with raw_websocket(patient, "a") as client, asyncio.TaskGroup() as tasks:
        there = other_end(client.http.writer)
        one = unmasked(to_v1(sent))
        with growth() as grown:

            async def send_all() -> None:
                for _ in range(count):
                    await client.send(one)

            sending = tasks.create_task(send_all())
            async with within(10, "no more is read from the client"):
                while channels.under_way < BYTES_MARK or there.is_reading():
                    await asyncio.sleep(0)
            assert not sending.done()
            assert channels.under_way < BYTES_MARK + 2 * size
            assert grown() < 64 * MIB, f"{grown() // MIB} MiB are kept"
        kernel.reads_shell.set()
        for _ in range(count):
            _, got = await kernel.received.get()
            assert len(got.buffers[0]) == size
        await sending
        async with within(10, "libzmq lets go of the last one"):
            while channels.under_way:
                await asyncio.sleep(0)


async def test_what_waits_in_zmq_is_let_go_with_its_session(
    patient: Served, kernel: FakeKernel
) -> None:
    kernel.reads_shell.clear()
    channels = patient.bridge.kernel.link.channels
    async with raw_websocket(patient, None) as client:
        # Not waiting until it is sent: w2z reads no more of it than goes into the socket.
        client.http.writer.write(unmasked(to_v1(request("comm_msg", buffers=[bytes(MIB)]))) * 10)
        async with within(10, "the socket is full"):
            while channels.under_way < BYTES_MARK:
                await asyncio.sleep(0)
        for session_id in patient.bridge.clients.speakers():
            channels.close_session(session_id, linger_ms=0)
        async with within(10, "libzmq lets go of all"):
            while channels.under_way:
                await asyncio.sleep(0)
        there = other_end(client.http.writer)
        there.abort()


# Many that are in the midst of a message.


async def begin(client: RawWebsocket, size: int) -> bytes:
    """Send nearly all of a message; returns the rest of it."""
    one = unmasked(to_v1(request("comm_msg", buffers=[bytes(size)])))
    await client.send(one[:-100])
    return one[-100:]


@pytest.fixture
async def small(kernel: FakeKernel) -> AsyncIterator[Served]:
    """A w2z that may hold 8 MiB in all, and 4 MiB of unfinished messages."""
    limit = {"memory_budget": 8 * MIB, "journal_size": MIB}
    async with serving(kernel.connection_file, timing=Timing(crowd=0.5), **limit) as found:
        async with rest_of(found) as rest:
            await ready(rest)
        yield found


async def test_of_unfinished_messages_the_largest_is_given_up_if_it_is_not_completed(
    small: Served, kernel: FakeKernel
) -> None:
    async with raw_websocket(small, "a") as large, raw_websocket(small, "b") as other:
        await begin(large, 3 * MIB + MIB // 2)
        async with within(10, "it has more than the other ever gets"):
            while small.bridge.holdings.begun < 3 * MIB + MIB // 4:
                await asyncio.sleep(0)
        rest = await begin(other, 3 * MIB)
        assert await large.closed_with() == 1013
        await other.send(rest)
        _, got = await kernel.received.get()
        assert len(got.buffers[0]) == 3 * MIB
        await other.is_read()
        assert small.bridge.holdings.begun == 0


async def test_fragments_are_counted_too(small: Served) -> None:
    async with raw_websocket(small, "a") as client:
        await client.send(unmasked(bytes(MIB), 0x2, fin=False))
        await client.is_read()
        assert small.bridge.holdings.begun == MIB
        other_end(client.http.writer).abort()
        async with within(10, "it is let go"):
            while small.bridge.holdings.begun:
                await asyncio.sleep(0)


async def test_a_message_of_more_than_half_the_budget_is_too_big(small: Served) -> None:
    async with raw_websocket(small, "a") as client:
        client.http.writer.write(unmasked(bytes(5 * MIB)))
        assert await client.closed_with() == 1009


async def test_while_too_much_waits_for_the_kernel_nothing_long_is_read_on(
    small: Served, kernel: FakeKernel
) -> None:
    kernel.reads_shell.clear()
    sent = unmasked(to_v1(request("comm_msg", buffers=[bytes(3 * MIB)])))
    async with contextlib.AsyncExitStack() as clients:
        full = [await clients.enter_async_context(raw_websocket(small, name)) for name in "ab"]
        for client in full:
            client.http.writer.write(sent * 6)
        async with within(10, "too much waits for the kernel"):
            while small.bridge.holdings.total < 8 * MIB:
                await asyncio.sleep(0)
        late = await clients.enter_async_context(raw_websocket(small, "c"))
        there = other_end(late.http.writer)
        late.http.writer.write(sent)
        async with within(10, "the long one is not read on"):
            while there.is_reading():
                await asyncio.sleep(0)
        assert small.bridge.holdings.total < 16 * MIB
        short = await clients.enter_async_context(raw_websocket(small, "d"))
        await short.is_read()
        kernel.reads_shell.set()
        for _ in range(13):
            _, got = await kernel.received.get()
            assert len(got.buffers[0]) == 3 * MIB


# An HTTP client that asks and never reads.


class Deaf:
    """Asks one thing after the other over one connection, and does not read the answers."""

    def __init__(self, http: RawHttp, path: str) -> None:
        self._http = http
        self._request = "\r\n".join(
            (f"GET {path} HTTP/1.1", "Host: localhost", AUTH, "", "")
        ).encode()
        self._there = other_end(http.writer)
        narrow(self._there)
        http.writer.transport.set_write_buffer_limits(0)

    @property
    def kept(self) -> int:
        """Bytes that w2z keeps for it."""
        return 0 if self.is_let_go else self._there.get_write_buffer_size()

    @property
    def is_let_go(self) -> bool:
        """Whether w2z has ended the connection."""
        return self._there.is_closing()

    def ask(self, count: int) -> None:
        """Ask so often, and do not wait until w2z has read it."""
        self._http.writer.write(self._request * count)

    async def ask_on(self) -> None:
        """Ask and ask, until w2z ends the connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self._http.send(self._request * 50)
                assert self.kept < MIB, f"{self.kept} bytes of answers are kept"


@contextlib.asynccontextmanager
async def deaf(served: Served, path: str) -> AsyncIterator[Deaf]:
    async with raw_http(served.host, served.port) as http:
        await http.ask(f"GET {path}", AUTH)
        http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        yield Deaf(http, path)


paths = pytest.mark.parametrize("path", ["/livez", "/metrics", "/nothing"])


@paths
async def test_answers_that_are_not_read_are_not_kept_and_their_asker_is_let_go(
    served: Served, rest: Rest, path: str
) -> None:
    async with deaf(served, path) as peer, within(20, "w2z ends the connection"):
        await peer.ask_on()


async def test_an_answer_that_is_not_read_is_not_waited_for_either(
    served: Served, rest: Rest
) -> None:
    """It asks for little, but for more than the network takes, and then keeps silent."""
    async with deaf(served, "/metrics") as peer:
        peer.ask(500)
        async with within(10, "w2z ends the connection"):
            while not peer.is_let_go:
                assert (await rest.ask("GET /livez")).status == 200


async def test_others_are_served_meanwhile(served: Served, rest: Rest, kernel: FakeKernel) -> None:
    async with (
        open_client(served.url("a"), "v1") as client,
        deaf(served, "/metrics") as peer,
        asyncio.TaskGroup() as tasks,
    ):
        asking = tasks.create_task(peer.ask_on())
        for _ in range(20):
            assert (await rest.ask("GET /livez")).status == 200
            await answered(client, kernel)
        async with within(20, "w2z ends the connection"):
            await asking
        assert (await rest.ask("GET /livez")).status == 200


async def test_who_reads_slowly_gets_every_answer(kernel: FakeKernel) -> None:
    count = 300
    async with (
        serving(kernel.connection_file, timing=SOON) as served,
        raw_http(served.host, served.port) as peer,
        asyncio.TaskGroup() as tasks,
    ):
        await peer.ask("GET /metrics", AUTH)
        narrow(other_end(peer.writer))
        asking = "\r\n".join(("GET /metrics HTTP/1.1", "Host: localhost", AUTH, "", "")).encode()
        sending = tasks.create_task(peer.send(asking * count))
        for _ in range(count):
            assert (await peer.answer()).status == 200
        await sending


# A session that is given up.


@pytest.fixture
async def kernels(tmp_path: Path, no_stall: None) -> AsyncIterator[Kernels]:
    async with kernels_in(tmp_path) as found:
        yield found


@pytest.mark.parametrize("channel", [Channel.SHELL, Channel.STDIN, Channel.CONTROL])
@pytest.mark.parametrize("size", [4, 12, 16])
async def test_w2z_outlives_a_session_that_is_given_up_in_its_kernels_last_words(
    kernels: Kernels, channel: Channel, size: int
) -> None:
    """What may not be dropped is too much: the session goes while its socket is read."""
    kernel = kernels.now
    async with (
        serving(
            kernel.connection_file, timing=QUICK, journal_size=size * MIB, spill_size=0
        ) as served,
        rest_of(served) as rest,
        open_client(served.url("fast"), "v1") as fast,
        raw_websocket(served, "slow") as slow,
    ):
        await ready(rest)
        asking = request(
            "odd_request", channel=str(channel) if channel != Channel.STDIN else "shell"
        )
        await slow.send(message(asking))
        identity, asked = await kernel.received.get()
        content = as_json({"padding": "x" * 16_000})
        word = Message(channel, as_json(header("odd_word")), asked.header, b"{}", content)
        kernel.linger = 60_000
        kernel.burst(word, 1500, identity)
        await kernels.hang_up()
        assert announced(await until_announced(fast, "dead")) == ["dead"]
        second = await kernels.start("second")
        await ready(rest)
        await answered(fast, second)


async def test_w2z_outlives_a_session_that_ends_in_its_kernels_last_words(
    kernels: Kernels,
) -> None:
    """A client without a session goes while there is much to read for it."""
    kernel = kernels.now
    async with (
        serving(kernel.connection_file, timing=QUICK) as served,
        rest_of(served) as rest,
        open_client(served.url("fast"), "v1") as fast,
        raw_websocket(served, None) as going,
    ):
        await ready(rest)
        await going.send(message(request("odd_request")))
        identity, asked = await kernel.received.get()
        content = as_json({"padding": "x" * 16_000})
        word = Message(Channel.SHELL, as_json(header("odd_word")), asked.header, b"{}", content)
        kernel.linger = 60_000
        kernel.burst(word, 3000, identity)
        going.http.writer.transport.abort()
        await kernels.hang_up()
        assert announced(await until_announced(fast, "dead")) == ["dead"]
        second = await kernels.start("second")
        await ready(rest)
        await answered(fast, second)


# A kernel that is faster than w2z.


class UsedUpOnce:
    """Memory that has no room when it is first asked."""

    def __init__(self, more: int) -> None:
        self._answers = iter([True])

    @property
    def is_used_up(self) -> bool:
        return next(self._answers, False)


async def test_output_for_which_memory_has_no_room_is_dropped_and_said(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in libzmq has a limit in messages alone. See test_room.py for the memory."""
    monkeypatch.setattr(bridge, "Room", UsedUpOnce)
    async with (
        serving(kernel.connection_file, timing=SOON) as served,
        rest_of(served) as rest,
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(rest)
        await client.send(request("execute_request", {"code": "cell"}))
        identity, asked = await kernel.received.get()
        parent = json.loads(asked.header)
        await kernel.iopub("status", {"execution_state": "busy"}, parent)
        text = as_json({"name": "stdout", "text": "x" * 4096})
        output = Message(Channel.IOPUB, as_json(header("stream")), asked.header, b"{}", text)
        kernel.subscribed.clear()

        async def flood() -> None:
            while not kernel.subscribed.is_set():
                kernel.burst(output, 3000)
                await asyncio.sleep(0)

        async with within(20, "w2z connects again"), asyncio.TaskGroup() as tasks:
            tasks.create_task(flood())
            notice = await client.until("stream")
            while "w2z_gap" not in notice.metadata:
                notice = await client.until("stream")
        assert notice.metadata == {"w2z_gap": {"messages": 0, "bytes": 0}}
        assert notice.parent_header == parent, "for the cell that is running"
        assert "an unknown number of messages" in notice.content["text"]
        # Another connection carries what comes next, and nobody took the kernel for gone.
        await kernel.iopub("status", {"execution_state": "idle"}, parent)
        assert (await client.until("status")).content == {"execution_state": "idle"}
        await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
        assert (await client.until("execute_reply")).content == {"status": "ok"}
        assert served.bridge.overruns == 1

"""A client that sends more frames than messages takes its turns with the others."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import uvloop

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import answered, ready, rest_of, within
from tests.support.raw_websocket import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    close_frame,
    fragments,
    frame,
    message,
    raw_websocket,
)
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from tests.support.transports import other_end
from w2z.reports import Reports
from w2z.server.connections import MUCH, Connection, Connections


@pytest.fixture(scope="module", autouse=True)
def uvloops_own_pipe_is_there() -> None:
    """The first loop of a process opens it, and it stays open."""
    uvloop.new_event_loop().close()


@pytest.fixture
async def served(kernel: FakeKernel, no_stall: None) -> AsyncIterator[Served]:
    async with serving(kernel.connection_file, timing=QUICK) as found, rest_of(found) as rest:
        await ready(rest)
        yield found


FLOODS = {
    "pongs": frame(b"", PONG) * 100_000,
    "pings": frame(b"", PING) * 100_000,
    "empty fragments": frame(b"", BINARY, fin=False)
    + frame(b"", CONTINUATION, fin=False) * 100_000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_of_small_frames_is_read_later_and_others_are_served(
    served: Served, kernel: FakeKernel, flood: bytes
) -> None:
    async with raw_websocket(served, "a") as flooding, open_client(served.url("b"), "v1") as other:
        there = other_end(flooding.http.writer)
        flooding.http.writer.write(flood)
        async with within(10, "w2z reads the flood no more"):
            while there.is_reading():
                await asyncio.sleep(0)
        for _ in range(10):
            await answered(other, kernel)
        assert not there.is_reading(), "ten answers took no second"


async def test_all_that_one_write_has_goes_to_the_kernel_in_order(
    served: Served, kernel: FakeKernel
) -> None:
    sent = [request("comm_msg", msg_id=f"n{number}") for number in range(1000)]
    async with raw_websocket(served, "a") as client:
        await client.send(*map(message, sent), close_frame())
        assert await client.closed_with() == 1000
        for one in sent:
            _, got = await kernel.received.get()
            assert json.loads(got.header)["msg_id"] == one["header"]["msg_id"]


async def test_what_came_before_the_end_of_a_connection_goes_to_the_kernel(
    served: Served, kernel: FakeKernel
) -> None:
    sent = [request("comm_msg", msg_id=f"n{number}") for number in range(200)]
    async with raw_websocket(served, "a") as client:
        there = other_end(client.http.writer)
        await client.send(*map(message, sent))
        async with within(10, "w2z takes turns"):
            while there.is_reading():
                await asyncio.sleep(0)
        there.abort()
        for one in sent:
            _, got = await kernel.received.get()
            assert json.loads(got.header)["msg_id"] == one["header"]["msg_id"]


async def test_fragments_with_pings_between_them_are_one_message(
    served: Served, kernel: FakeKernel
) -> None:
    sent = request("comm_msg", code="x" * 5000)
    async with raw_websocket(served, "a") as client:
        for piece in fragments(sent, 500):
            await client.send(piece, frame(b"?", PING))
        _, got = await kernel.received.get()
        assert json.loads(got.header)["msg_id"] == sent["header"]["msg_id"]


class Slow:
    """A stage that works a while on everything that it receives, and notes in which turn of the
    event loop it came.
    """

    def __init__(self, turn: Callable[[], int], connection: Connection) -> None:
        self._turn = turn
        self.turns: list[int] = []
        self.received = 0

    def begin(self) -> None: ...

    def data_received(self, data: bytes) -> None:
        if len(data) >= MUCH:
            self.turns.append(self._turn())
        self.received += len(data)
        # Meanwhile the system takes more, and the next read fills the buffer again.
        time.sleep(0.005)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def shutdown(self) -> None: ...

    def fail(self) -> None: ...


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_sends_much_is_read_once_in_a_turn(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    size = 2**25
    with asyncio.Runner(loop_factory=loop) as runner:
        turns = runner.run(_turns_of(size))
    assert len(turns) > 10
    assert len(set(turns)) == len(turns)


async def _turns_of(size: int) -> list[int]:
    """Send ``size`` bytes; return the turns in which the long ones of the reads were."""
    loop, turn, stages = asyncio.get_running_loop(), 0, []

    def next_turn() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(next_turn)

    def first(connection: Connection) -> Slow:
        stages.append(Slow(lambda: turn, connection))
        return stages[0]

    async with asyncio.TaskGroup() as tasks:
        connections = Connections(tasks, Reports())
        server = await loop.create_server(partial(Connection, connections, first), "127.0.0.1", 0)
        next_turn()
        with socket.create_connection(server.sockets[0].getsockname()) as peer:
            await loop.run_in_executor(None, peer.sendall, bytes(size))
            async with within(10, "all of it is received"):
                while not stages or stages[0].received < size:
                    await asyncio.sleep(0)
        server.close()
        await connections.close(1)
    return stages[0].turns

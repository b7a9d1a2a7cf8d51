"""A client that sends more frames than messages takes its turns with the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

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

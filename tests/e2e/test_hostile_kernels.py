"""Kernels whose code does its worst to w2z: it goes on to answer, and obeys."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq

from tests.support.client import open_client
from tests.support.fake_kernel import FakeKernel, as_json, fake_kernel, header
from tests.support.processes import peak, w2z
from tests.support.waiting import within
from w2z.message import Channel, Message
from w2z.wire.zmq import DELIMITER

MIB = 2**20


def raw(kernel: FakeKernel, *parts: bytes) -> None:
    """Send a multipart on iopub as it is."""
    # Without asyncio, which would copy the list for every frame.
    socket: zmq.Socket[bytes] = zmq.Socket.shadow(kernel.socket(Channel.IOPUB).underlying)
    socket.send_multipart(parts)


@pytest.mark.parametrize("count", [60_000, 1_000_000])
async def test_w2z_answers_and_ends_whatever_the_parts_of_a_message(
    tmp_path: Path, count: int
) -> None:
    async with fake_kernel(tmp_path) as kernel, w2z(kernel.connection_file) as found:
        await found.ready()
        raw(kernel, *[DELIMITER] * count)
        async with within(10, "an answer"), found.rest() as rest:
            await rest.json("GET /api/kernels")
        raw(kernel, *[DELIMITER] * count)
        # Leaving the block sends SIGTERM, and waits for the end.


async def test_statuses_and_small_buffers_without_end_take_little_memory(tmp_path: Path) -> None:
    options = ("--spill-size", "0", "--replay-size", "0")
    async with (
        fake_kernel(tmp_path) as kernel,
        w2z(kernel.connection_file, *options, development=False) as found,
    ):
        await found.ready()
        async with open_client(found.websocket("a"), "v1") as client:
            before = peak(found)
            for number in range(100):
                pad = {"pad": "x" * MIB, "msg_id": str(number)}
                await kernel.iopub("status", {"execution_state": "busy", **pad}, pad)
                await client.until("status")
            many = Message(
                Channel.IOPUB,
                as_json(header("display_data")),
                b"{}",
                b"{}",
                b"{}",
                (b"ab",) * 50_000,
            )
            for _ in range(40):
                await kernel.publish(many)
                await client.until("display_data")
        assert peak(found) - before < 150 * MIB

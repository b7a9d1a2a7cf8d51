"""What a websocket client may send wrongly: a close code with a reason, for that client only."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

import pytest

from tests.support.client import (
    default_payload,
    open_client,
    request,
    to_default,
    to_v1,
    v1_payload,
)
from tests.support.fake_kernel import FakeKernel
from tests.support.serving import Served, serving
from tests.support.transports import narrow
from tests.support.waiting import LONG, within
from w2z.message import Channel

GOOD = request("execute_request", {"code": "1"})
JSON = [json.dumps(GOOD[name]).encode() for name in ("header", "parent_header", "metadata")]


def v1(*offsets: int, body: bytes = b"") -> bytes:
    return struct.pack(f"<{len(offsets)}Q", *offsets) + body


def default(*numbers: int, body: bytes = b"") -> bytes:
    return struct.pack(f"!{len(numbers)}I", *numbers) + body


def changed(**fields: Any) -> str:
    return json.dumps({**GOOD, **fields})


BAD_V1 = {
    "nothing at all": (b"", 1007, "too few"),
    "half a count": (b"\0\0\0", 1007, "too few"),
    "ten million offsets": (v1(10**7), 1007, "10000000 offsets"),
    "the largest count": (v1(2**64 - 1), 1007, "offsets"),
    "too few offsets": (v1(2, 24, 24), 1007, "at least 6"),
    "offsets that descend": (v1(6, 56, 100, 90, 95, 96, 97), 1007, "ascend"),
    "a first offset elsewhere": (v1(6, 57, 57, 57, 57, 57, 57, body=b"x"), 1007, "first offset"),
    "offsets beyond the end": (v1(6, 56, 60, 70, 80, 90, 10**6), 1007, "last offset"),
    "bytes after the last offset": (v1_payload([b"shell", *JSON, b"{}"]) + b"x", 1007, "last"),
    "a part that is not JSON": (v1_payload([b"shell", *JSON, b"{"]), 1007, "content"),
    "a part that is not UTF-8": (v1_payload([b"shell", *JSON, b"\xff"]), 1007, "UTF-8"),
    "a header of the wrong shape": (v1_payload([b"shell", b"[1]", *[b"{}"] * 3]), 1007, "array"),
    "a header without a type": (
        v1_payload([b"shell", b'{"msg_id":"1"}', *[b"{}"] * 3]),
        1007,
        "msg_type",
    ),
    "an unknown channel": (v1_payload([b"shall", *JSON, b"{}"]), 1008, "'shall'"),
    "a channel that is not UTF-8": (v1_payload([b"\xff", *JSON, b"{}"]), 1008, "channel"),
    "a message to iopub": (to_v1({**GOOD, "channel": "iopub"}), 1008, "iopub"),
    "text": (json.dumps(GOOD), 1003, "binary"),
}
BAD_DEFAULT = {
    "nothing at all": ("", 1007, "not JSON"),
    "an empty binary": (b"", 1007, "too few"),
    "not JSON": ("{", 1007, "not JSON"),
    "JSON of the wrong shape": ("[]", 1007, "an array"),
    "nesting without end": ("[" * 100_000, 1007, "nested"),
    "a header nested without end": ('{"header":' * 100_000, 1007, "nested"),
    "no header": (changed(header=None), 1007, "header.msg_id"),
    "a header of the wrong shape": (changed(header=[]), 1007, "header"),
    "a header without a type": (changed(header={"msg_id": "1"}), 1007, "header.msg_type"),
    "content of the wrong shape": (changed(content="text"), 1007, "content"),
    "an unknown channel": (changed(channel="shall"), 1008, "'shall'"),
    "a channel that is no string": (changed(channel=["shell"]), 1008, "channel"),
    "a message to iopub": (changed(channel="iopub"), 1008, "iopub"),
    "half a count": (b"\0", 1007, "too few"),
    "two thousand million parts": (default(0x7FFFFFFF), 1007, "2147483647 parts"),
    "no parts": (default(0, 0), 1007, "at least 1"),
    "a first offset elsewhere": (default(1, 0, body=b"{}"), 1007, "first offset"),
    "offsets that descend": (default(2, 12, 4, body=b"{}"), 1007, "offset 4"),
    "offsets beyond the end": (default(2, 12, 999, body=b"{}"), 1007, "offset 999"),
    "binary that is not UTF-8": (default(1, 8, body=b"\xff\xfe"), 1007, "UTF-8"),
}
CASES = [("v1", *case) for case in BAD_V1.values()] + [
    ("default", *case) for case in BAD_DEFAULT.values()
]
NAMES = [f"v1: {name}" for name in BAD_V1] + [f"default: {name}" for name in BAD_DEFAULT]


@pytest.mark.parametrize(("wire", "payload", "code", "reason"), CASES, ids=NAMES)
async def test_a_bad_payload_closes_its_own_connection(
    served: Served,
    kernel: FakeKernel,
    caplog: pytest.LogCaptureFixture,
    wire: str,
    payload: str | bytes,
    code: int,
    reason: str,
) -> None:
    async with (
        open_client(served.url("bad"), wire) as bad,
        open_client(served.url("good"), "v1") as good,
    ):
        await bad.websocket.send(payload)
        closed_with, said = await bad.closed()
        assert closed_with == code
        assert reason in said
        await good.send(GOOD)
        await kernel.received.get()
        assert kernel.received.empty(), "the bad payload went nowhere"
    assert not [r for r in caplog.records if r.exc_info], "no traceback"


LENIENT: dict[str, str | bytes] = {
    "no channel": json.dumps({k: v for k, v in GOOD.items() if k != "channel"}),
    "no buffers": json.dumps({k: v for k, v in GOOD.items() if k != "buffers"}),
    "buffers is an object": changed(buffers={}),
    "buffers is null": changed(buffers=None),
    "no parent_header": json.dumps({k: v for k, v in GOOD.items() if k != "parent_header"}),
    "a header without date": changed(header={"msg_id": "1", "msg_type": "execute_request"}),
    "an old date": changed(header={**GOOD["header"], "date": "2026-11-22 22:49:43.386441+00:00"}),
    "unknown fields": changed(what="ever", msg_id="1", msg_type="x"),
    "binary without buffers": default_payload([json.dumps(GOOD).encode()]),
    "a lone surrogate": changed(content={"code": "\ud83d"}),
}


@pytest.mark.parametrize("payload", LENIENT.values(), ids=LENIENT)
async def test_what_lenient_clients_send_is_taken(
    served: Served, kernel: FakeKernel, payload: str | bytes
) -> None:
    async with open_client(served.url(), "default") as client:
        await client.websocket.send(payload)
        _, message = await kernel.received.get()
        assert message.channel is Channel.SHELL
        assert json.loads(message.header)["msg_type"] == "execute_request"
        assert json.loads(message.parent_header) == {}
        assert message.buffers == ()


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_message_over_the_limit_is_1009(kernel: FakeKernel, wire: str) -> None:
    async with (
        serving(kernel.connection_file, max_message_size=100_000) as served,
        open_client(served.url("a"), wire) as client,
    ):
        encode = to_v1 if wire == "v1" else to_default
        fits = encode(request("execute_request", {"code": "x" * 90_000}))
        await client.websocket.send(fits)
        await kernel.received.get()
        too_big = encode(request("execute_request", {"code": "x" * 100_000}))
        await client.websocket.send(too_big)
        assert (await client.closed())[0] == 1009


async def test_a_fragmented_message_is_one_message(served: Served, kernel: FakeKernel) -> None:
    payload = to_v1(GOOD)
    async with open_client(served.url("a"), "v1") as client:
        await client.websocket.send([payload[:3], b"", payload[3:100], payload[100:]])
        _, message = await kernel.received.get()
        assert json.loads(message.header) == GOOD["header"]


async def test_fragments_over_the_limit_are_1009(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, max_message_size=10_000) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        await client.websocket.send([bytes(4_000)] * 3)
        assert (await client.closed())[0] == 1009


BAD_FRAMES = {
    "unmasked": (b"\x82\x01x", 1002),
    "a reserved opcode": (b"\x83\x80\0\0\0\0", 1002),
    "a reserved bit": (b"\xc2\x80\0\0\0\0", 1002),
    "a fragmented ping": (b"\x09\x80\0\0\0\0", 1002),
    "a continuation of nothing": (b"\x80\x80\0\0\0\0", 1002),
    "a close frame with half a code": (b"\x88\x81\0\0\0\0\x03", 1002),
    "a length beyond all limits": (b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4), 1009),
}


@pytest.mark.parametrize(("frame", "code"), BAD_FRAMES.values(), ids=BAD_FRAMES)
async def test_a_bad_frame_closes_its_own_connection(
    served: Served, kernel: FakeKernel, frame: bytes, code: int
) -> None:
    async with open_client(served.url("good"), "v1") as good:
        async with open_client(served.url("bad"), "v1") as bad:
            bad.websocket.transport.write(frame)
            assert (await bad.closed())[0] == code
        await good.send(GOOD)
        await kernel.received.get()


async def test_pings_whose_answers_are_never_read_end_the_connection(
    served: Served, kernel: FakeKernel
) -> None:
    """Memory stays bounded whatever one peer does."""
    async with open_client(served.url("bad"), "v1") as bad:
        bad.websocket.transport.pause_reading()
        [connection] = served.connections
        narrow(connection.transport)
        ping = b"\x89\xfd" + bytes(4) + bytes(125)
        async with within(LONG, "the connection ends"):
            while not bad.websocket.transport.is_closing():
                if bad.websocket.transport.get_write_buffer_size() < 1_000_000:
                    bad.websocket.transport.write(ping * 1000)
                await asyncio.sleep(0)


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_header_without_a_version_reaches_the_kernel_with_one(
    served: Served, kernel: FakeKernel, wire: str
) -> None:
    asked = request("odd_request")
    del asked["header"]["version"]
    async with open_client(served.url("a"), wire) as client:
        await client.send(asked)
        _, message = await kernel.received.get()
    assert json.loads(message.header) == {**asked["header"], "version": "5.3"}

"""Attacks of a client with a right token, through its websocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import time
from contextlib import AsyncExitStack

from tests.attacks.peers import ENDED, SECONDS, deaf, pour, stop_reading
from tests.attacks.target import MIB, Attacks, Target, counted
from tests.support.client import request, to_v1
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    RawWebsocket,
    fragments,
    frame,
    unmasked,
)

CLIENTS = Attacks("client")


def odd_request(content: bytes) -> bytes:
    """Return a message in the default format whose content is that JSON."""
    head = json.dumps(request("odd_request")["header"]).encode()
    return b'{"channel":"shell","header":' + head + b',"content":{"c":' + content + b"}}"


async def sent(target: Target, *payloads: bytes) -> str:
    """Send text messages in the default format; return what comes of the connection."""
    async with target.websocket(wire="default") as websocket:
        with contextlib.suppress(ConnectionError):
            for payload in payloads:
                await websocket.send(unmasked(payload, TEXT))
            await websocket.send(frame(struct.pack("!H", 1000), CLOSE))
        return await closing(websocket)


async def closing(websocket: RawWebsocket, seconds: float = 10) -> str:
    """Return how w2z closes."""
    try:
        async with asyncio.timeout(seconds):
            code = await websocket.closed_with()
    except ENDED:
        return "cut"
    except TimeoutError:
        return "kept"
    return "all taken" if code == 1000 else f"closed {code}"


async def together(target: Target, number: int, *payloads: bytes) -> str:
    """Let that many clients send the same at once."""
    async with asyncio.TaskGroup() as tasks:
        found = [tasks.create_task(sent(target, *payloads)) for _ in range(number)]
    return counted(task.result() for task in found)


@CLIENTS.add("64 MiB of JSON that is `[],[],…`, and 3 clients with 15 MiB of it")
async def json_of_lists(target: Target) -> str:
    lists = b"[" + b"[]," * (15 * MIB // 3) + b"0]"
    large = await sent(target, odd_request(lists * 4)[: 63 * MIB])
    return f"64 MiB: {large}; 15 MiB: {await together(target, 3, odd_request(lists))}"


@CLIENTS.add("JSON nested 200,000 deep, of 5 clients, and 990 deep 100 times")
async def deep_nesting(target: Target) -> str:
    deep, shallow = (odd_request(b"[" * n + b"]" * n) for n in (200_000, 990))
    # The kernel would fail at it, so it takes nothing until its client has gone.
    return f"{await together(target, 5, deep)}; {await together(target, 1, *[shallow] * 100)}"


@CLIENTS.add("lone surrogates in 500 KiB of `[],[],…`, 10 messages, and in 15 MiB")
async def lone_surrogates(target: Target) -> str:
    small, large = (
        odd_request(b'["\\ud800",' + b"[]," * (n // 3) + b"0]") for n in (500_000, 15 * MIB)
    )
    return f"500 KiB: {await sent(target, *[small] * 10)}; 15 MiB: {await sent(target, large)}"


@CLIENTS.add("NaN and infinities in 500 KiB of numbers, 10 messages, and in 15 MiB")
async def not_a_number(target: Target) -> str:
    small, large = (
        odd_request(b"[" + b"NaN,1e1,-Infinity," * (n // 18) + b"0]") for n in (500_000, 15 * MIB)
    )
    return f"500 KiB: {await sent(target, *[small] * 10)}; 15 MiB: {await sent(target, large)}"


@CLIENTS.add("5 messages in fragments of one byte, and 4 clients with empty fragments for 3 s")
async def tiny_fragments(target: Target) -> str:
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        message = request("odd_request", {"x": "x" * 1000})
        pieces = fragments(message, len(to_v1(message)))
        websocket = await stack.enter_async_context(target.websocket())
        await websocket.send(*pieces * 5)
        empty = frame(b"", CONTINUATION, fin=False) * 2000
        pouring = []
        for _ in range(4):
            other = await stack.enter_async_context(target.websocket())
            await other.send(frame(b"x", BINARY, fin=False))
            pouring.append(tasks.create_task(pour(other.http, empty)))
        await websocket.is_read()
    return f"{sum(task.result() for task in pouring) / 6:,.0f} empty frames taken"


async def floods(target: Target, number: int, data: bytes) -> int:
    """Let that many clients send the same, without reading; return how many bytes were taken."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        pouring = []
        for _ in range(number):
            websocket = await stack.enter_async_context(target.websocket())
            stop_reading(websocket.http)
            pouring.append(tasks.create_task(pour(websocket.http, data)))
    return sum(task.result() for task in pouring)


@CLIENTS.add("4 clients that send pings for 3 s and read no pongs")
async def pings(target: Target) -> str:
    taken = await floods(target, 4, frame(b"x" * 125, PING) * 1000)
    return f"{taken // 131:,} pings taken"


@CLIENTS.add("4 clients that send pongs nobody asked for, for 3 s")
async def pongs(target: Target) -> str:
    taken = await floods(target, 4, frame(b"", 0xA) * 5000)
    return f"{taken // 6:,} pongs taken"


@CLIENTS.add("10 clients with 10 MiB on hb each, and 4 that send small beats for 3 s")
async def heartbeats(target: Target) -> str:
    large = to_v1(request("x", {"x": "x" * 10 * MIB}, channel="hb"))
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(10):
            websocket = await stack.enter_async_context(target.websocket())
            with contextlib.suppress(ConnectionError):
                await websocket.send(unmasked(large))
            found.append(await closing(websocket))
    beat = frame(to_v1(request("x", channel="hb")))
    taken = await floods(target, 4, beat * 500)
    return f"{counted(found)}; {taken // len(beat):,} beats taken"


@CLIENTS.add("15 clients that send 60 MiB of a message, and then nothing")
async def half_sent(target: Target) -> str:
    piece = b"x" * MIB
    begun = unmasked(piece, BINARY, fin=False)
    more = unmasked(piece, CONTINUATION, fin=False)

    async def begin(websocket: RawWebsocket) -> int:
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                for number in range(60):
                    await websocket.send(more if number else begun)
                    taken += 1
        return taken

    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(target.websocket()) for _ in range(15)]
        async with asyncio.TaskGroup() as tasks:
            beginning = [tasks.create_task(begin(websocket)) for websocket in found]
        held = await target.metric("held_bytes")
        for websocket in found:
            websocket.http.writer.transport.abort()
    taken = sum(task.result() for task in beginning)
    return f"{taken} MiB of 900 taken, {held / MIB:.0f} held"


@CLIENTS.add("8 million offsets, 65,536 empty buffers 20 times, and offsets that lie")
async def offsets(target: Target) -> str:
    count = 8_000_000
    many = struct.pack("<Q", count) + bytes(8 * (count - 1))
    empty = to_v1(request("odd_request", buffers=[b""] * 2**16))
    lying = (struct.pack("<Q", n) + bytes(80) for n in (2**63, 2**64 - 1, 7, 10))
    found = []
    for payloads in ([many], [empty] * 20, *([lie] for lie in lying)):
        async with target.websocket() as websocket:
            with contextlib.suppress(ConnectionError):
                for payload in payloads:
                    await websocket.send(unmasked(payload))
                await websocket.send(frame(struct.pack("!H", 1000), CLOSE))
            found.append(await closing(websocket))
    return counted(found)


FLOOD = "for n in range({number}): say('x' * {size})"


@CLIENTS.add("5 clients that read nothing of 300 MiB of output")
async def unread_output(target: Target) -> str:
    async with deaf(target, 5):
        await target.cell(FLOOD.format(number=3000, size=100_000))
        spilled = await target.metric("spilled_bytes")
    return f"{spilled / MIB:.0f} MiB in files"


@CLIENTS.add("150 sessions with 40 MiB of output unread")
async def many_sessions(target: Target) -> str:
    async with deaf(target, 150):
        await target.cell(FLOOD.format(number=2000, size=20_000))
        queued = await target.metric("session_queued_bytes")
        held = await target.metric("held_bytes")
    return f"{queued / MIB:.0f} MiB owed in sum, {held / MIB:.0f} held"


@CLIENTS.add("sessions opened under new names and left, for 3 s")
async def session_churn(target: Target) -> str:
    number, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        async with target.websocket(f"{number:04}" * 64) as websocket:
            websocket.http.writer.transport.abort()
        number += 1
    return f"{number} of them, {await target.metric('sessions'):.0f} wait"


@CLIENTS.add("5 clients with 20 requests of 8 MiB, for a kernel that takes nothing until all wait")
async def stopped_kernel(target: Target) -> str:
    payload = to_v1(request("odd_request", buffers=[b"x" * 8 * MIB]))

    async def ask(websocket: RawWebsocket) -> None:
        for _ in range(20):
            await websocket.send(unmasked(payload))
        await websocket.is_read()

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        found = [await stack.enter_async_context(target.websocket()) for _ in range(5)]
        async with target.stopped_kernel():
            asking = [tasks.create_task(ask(websocket)) for websocket in found]
            # Of each client one request waits, and the next is not read.
            while await target.metric("requests_waiting_bytes") < len(found) * len(payload):
                pass
            held = await target.metric("held_bytes")
        began = time.monotonic()
        for task in asking:
            await task
    return f"{held / MIB:.0f} MiB held; all taken {time.monotonic() - began:.0f} s later"

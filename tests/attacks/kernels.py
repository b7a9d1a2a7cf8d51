"""Attacks of code that runs in the kernel, which has its sockets and its key.

Cells run in tests/attacks/kernel.py, which says what they may use.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.attacks.peers import deaf
from tests.attacks.target import MIB, Attacks, Target
from tests.support.client import execute_request, to_v1
from tests.support.raw_websocket import RawWebsocket, frame

KERNELS = Attacks("kernel's code")


async def dropped(target: Target) -> str:
    """Return what w2z dropped of what the kernel sent."""
    gone = await target.metric("kernel_messages_dropped_total")
    outpaced = await target.metric("outpaced_messages_total")
    overruns = await target.metric("output_overruns_total")
    words = [f"{gone:.0f} dropped"]
    words += [f"{outpaced:.0f} outpaced"] if outpaced else []
    words += [f"{overruns:.0f} overruns"] if overruns else []
    return ", ".join(words)


@KERNELS.add("3 messages of 23 MiB to 30 clients that read nothing")
async def large_messages(target: Target) -> str:
    async with deaf(target, 30):
        await target.cell("for n in range(3): say('x' * (23 * 2**20))")
        spilled = await target.metric("spilled_bytes")
    return f"{spilled / MIB:.0f} MiB in files; {await dropped(target)}"


@KERNELS.add("3 messages of 23 MiB to 10 clients that read all of it")
async def large_messages_read(target: Target) -> str:
    async def read(websocket: RawWebsocket) -> None:
        seen = 0
        while seen < 3:
            opcode, data = await websocket.http.frame()
            if opcode == 0x9:
                await websocket.send(frame(data, 0xA))
            seen += len(data) > MIB

    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(target.websocket(f"r{n}")) for n in range(10)]
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(read(websocket)) for websocket in found]
            await target.cell("for n in range(3): say('x' * (23 * 2**20))")
        assert all(task.done() for task in reading)
    return f"all read; {await dropped(target)}"


@KERNELS.add("a message of 60 MiB, and one of junk, and a reply of 60 MiB")
async def too_large(target: Target) -> str:
    await target.cell("say('x' * (60 * 2**20))")
    await target.cell("raw(b'junk', b'x' * (60 * 2**20))")
    async with target.websocket("asker") as asker:
        await asker.send(frame(to_v1(execute_request("reply({'x': 'x' * (60 * 2**20)})"))))
        await target.bystander.through()
    return await dropped(target)


@KERNELS.add("2 messages of 300 MiB", is_unready=True, loses=True)
async def giant(target: Target) -> str:
    for _ in range(2):
        await target.cell("say('x' * (300 * 2**20))")
        await target.bystander.through()
    return await dropped(target)


@KERNELS.add("junk of a million frames, 3 times, and of 65,000 delimiters, 20 times")
async def million_frames(target: Target) -> str:
    await target.cell("for n in range(3): raw(*[b'x'] * 1_000_000)")
    await target.cell("for n in range(20): raw(*[b'<IDS|MSG>'] * 65_000)")
    return await dropped(target)


@KERNELS.add("100,000 multiparts that are too short, glued to others")
async def too_short(target: Target) -> str:
    code = """
for n in range(20_000):
    raw(b'<IDS|MSG>')
    raw(b'x', b'<IDS|MSG>', b'0' * 64)
    raw(b'', b'', b'', b'')
    raw(b'<IDS|MSG>', b'0' * 64, b'{}', b'{}', b'{}')
    raw(*[b'<IDS|MSG>'] * 5)
"""
    await target.cell(code)
    return await dropped(target)


@KERNELS.add("40 messages with 50,000 buffers of 2 bytes to 10 clients that read nothing")
async def many_buffers(target: Target) -> str:
    code = """
for n in range(40):
    raw(b'topic', *kernel._message('display_data', {}), *[b'ab'] * 50_000)
"""
    async with deaf(target, 10):
        await target.cell(code)
        memory = await target.metric("memory_bytes")
    return f"{memory / MIB:.0f} MiB counted; {await dropped(target)}"


@KERNELS.add("300 statuses with parents of 1 MiB, and 2,000 with parents of 60 KiB")
async def huge_parents(target: Target) -> str:
    code = """
before = kernel._parent
for size, count in ((2**20, 300), (60_000, 2_000)):
    for n in range(count):
        kernel._parent = {'msg_id': str(n), 'session': 'x' * size}
        kernel.publish('status', {'execution_state': 'busy'})
        kernel.publish('status', {'execution_state': 'x' * (size // 10)})
kernel._parent = before
"""
    await target.cell(code)
    return await dropped(target)


@KERNELS.add("statuses, headers and contents that are no JSON, or odd, signed rightly")
async def odd_messages(target: Target) -> str:
    code = r"""
import hashlib, hmac
odd = [
    b'', b'[]', b'null', b'{', b'\xff\xfe', b'{"a":NaN}', b'[' * 60_000,
    b'{"msg_type":["status"]}',
    b'{"msg_type":"status","msg_id":"\\ud800"}',
    b'{"msg_type":"' + b'x' * 60_000 + b'"}',
    b'{"msg_id":' + b'[' * 990 + b']' * 990 + b'}',
]
good = [b'{"msg_type":"status","msg_id":"1"}', b'{}', b'{}', b'{"execution_state":"busy"}']
for n in range(50):
    for one in odd:
        for place in range(4):
            parts = good[:place] + [one] + good[place + 1 :]
            signature = hmac.new(kernel._key, b''.join(parts), hashlib.sha256).hexdigest()
            raw(b'topic', b'<IDS|MSG>', signature.encode(), *parts)
"""
    await target.cell(code)
    return await dropped(target)


@KERNELS.add("100,000 outputs of 100 bytes as fast as it can")
async def flood(target: Target) -> str:
    await target.cell("for n in range(100_000): say('x' * 100)")
    return await dropped(target)


@KERNELS.add("600 MiB of output as fast as it can, to 3 clients that read nothing")
async def outpaced(target: Target) -> str:
    code = """
parts = [b'topic', *kernel._message('stream', {'name': 'stdout', 'text': 'x' * 20_000})]
for n in range(30_000): raw(*parts)
"""
    async with deaf(target, 3):
        await target.cell(code)
        spilled = await target.metric("spilled_bytes")
    return f"{spilled / MIB:.0f} MiB in files; {await dropped(target)}"


@KERNELS.add("400 MiB of replies to one request, to a client that reads nothing")
async def replies(target: Target) -> str:
    async with deaf(target, 1) as [asker]:
        code = "for n in range(400): reply({'x': 'x' * 2**20})"
        await asker.send(frame(to_v1(execute_request(code))))
        await target.bystander.through()
        closed = await target.metric("websockets_closed_total")
        held = await target.metric("held_bytes")
    return f"{'closed' if closed else 'kept'}, {held / MIB:.0f} MiB held; {await dropped(target)}"

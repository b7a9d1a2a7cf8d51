"""What comes twice to a client that leaves when it has its answer, by the way in which it leaves.

``pytest -m e2e -s tests/e2e/test_repeats.py`` prints the table of docs/delivery.md.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.support.cable import cable
from tests.support.client import Client, execute_request, open_client
from tests.support.processes import W2z

CELLS = 20

WAYS = {
    "close": ("v1", "v1"),
    "close, default format": ("default", "default"),
    "reset": ("v1", "v1"),
    "replaced": ("v1", "v1"),
    "close, and the other format": ("v1", "default"),
    "close, through a proxy that passes bytes on": ("v1", "v1"),
}


@asynccontextmanager
async def by_the_way(served: W2z, way: str) -> AsyncIterator[str]:
    """The URL of the session's websocket."""
    if "proxy" not in way:
        yield served.websocket("a")
        return
    async with cable(served.websocket("a")) as line:
        yield line.url


@pytest.mark.parametrize("way", WAYS)
async def test_what_was_acknowledged_does_not_come_again(served: W2z, way: str) -> None:
    """Each time the client leaves as soon as it has the reply and the idle of its cell."""
    known: set[str] = set()
    repeats = 0
    async with by_the_way(served, way) as url, AsyncExitStack() as stack:
        for number in range(CELLS):
            client = await stack.enter_async_context(open_client(url, WAYS[way][number % 2]))
            repeats += await repeated(client, known, f"print({number}, flush=True)")
            if way == "reset":
                client.websocket.transport.abort()
            elif way != "replaced" or number % 2:
                # Who replaced another is not replaced itself while it is there.
                await client.websocket.close()
    sys.stdout.write(f"| {way} | {repeats} messages in {CELLS} connections |\n")
    # What a reset takes along of the client's own bytes, its last pong, is not in w2z's power.
    assert repeats == 0 or way == "reset"


async def repeated(client: Client, known: set[str], code: str) -> int:
    """Run a cell; return how many messages had come before."""
    repeats = 0
    finished: set[str] = set()
    asked = (await client.send(execute_request(code)))["msg_id"]
    while finished != {"reply", "idle"}:
        message = await client.recv()
        repeats += message.header["msg_id"] in known
        known.add(message.header["msg_id"])
        if message.parent_header.get("msg_id") == asked:
            if message.msg_type == "execute_reply":
                finished.add("reply")
            elif message.content.get("execution_state") == "idle":
                finished.add("idle")
    return repeats

"""A websocket client for both formats that uses none of w2z's own codecs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConcurrencyError, ConnectionClosed
from websockets.typing import Subprotocol

V1 = "v1.kernel.websocket.jupyter.org"
JSON_PARTS = ("header", "parent_header", "metadata", "content")


@dataclass
class Received:
    """One message as a client reads it."""

    channel: str
    header: dict[str, Any]
    parent_header: dict[str, Any]
    metadata: dict[str, Any]
    content: dict[str, Any]
    buffers: list[bytes] = field(default_factory=list)

    @property
    def msg_type(self) -> str:
        return str(self.header["msg_type"])


def request(
    msg_type: str, content: Any = None, channel: str = "shell", **more: Any
) -> dict[str, Any]:
    return {
        "channel": channel,
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "username": "tester",
            "session": "tester",
            "date": "2026-11-22T22:48:07.255026Z",
            "version": "5.4",
        },
        "parent_header": {},
        "metadata": {},
        "content": {} if content is None else content,
        "buffers": [],
        **more,
    }


def execute_request(code: str, **more: Any) -> dict[str, Any]:
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
        **more,
    }
    return request("execute_request", content)


def to_v1(message: dict[str, Any]) -> bytes:
    parts = [message["channel"].encode()]
    parts += [json.dumps(message[name]).encode() for name in JSON_PARTS]
    return v1_payload([*parts, *message["buffers"]])


def v1_payload(parts: list[bytes]) -> bytes:
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def from_v1(payload: bytes) -> Received:
    (count,) = struct.unpack_from("<Q", payload)
    offsets = struct.unpack_from(f"<{count}Q", payload, 8)
    parts = [payload[a:b] for a, b in pairwise(offsets)]
    header, parent_header, metadata, content = (json.loads(part) for part in parts[1:5])
    return Received(parts[0].decode(), header, parent_header, metadata, content, parts[5:])


def to_default(message: dict[str, Any]) -> str | bytes:
    if not message.get("buffers"):
        return json.dumps(message)
    buffers = message["buffers"]
    fields = {name: value for name, value in message.items() if name != "buffers"}
    return default_payload([json.dumps(fields).encode(), *buffers])


def default_payload(parts: list[bytes]) -> bytes:
    offsets = [4 * (len(parts) + 1)]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *offsets) + b"".join(parts)


def from_default(payload: str | bytes) -> Received:
    buffers: list[bytes] = []
    if isinstance(payload, bytes):
        (count,) = struct.unpack_from("!I", payload)
        assert count >= 2, "a binary message has buffers"
        offsets = [*struct.unpack_from(f"!{count}I", payload, 4), len(payload)]
        parts = [payload[a:b] for a, b in pairwise(offsets)]
        text, buffers = parts[0], parts[1:]
        fields = json.loads(text)
    else:
        fields = json.loads(payload)
        assert fields["buffers"] == []
    assert fields["msg_id"] == fields["header"]["msg_id"]
    assert fields["msg_type"] == fields["header"]["msg_type"]
    header, parent_header, metadata, content = (fields[name] for name in JSON_PARTS)
    return Received(fields["channel"], header, parent_header, metadata, content, buffers)


class Client:
    """A websocket connection in one of the formats."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.is_v1 = websocket.subprotocol == V1

    async def send(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send the message and return its header."""
        await self.websocket.send(to_v1(message) if self.is_v1 else to_default(message))
        sent: dict[str, Any] = message["header"]
        return sent

    async def recv(self) -> Received:
        payload = await self.websocket.recv()
        if self.is_v1:
            assert isinstance(payload, bytes)
            return from_v1(payload)
        return from_default(payload)

    async def until(self, msg_type: str, parent: dict[str, Any] | None = None) -> Received:
        """Return the first message of that type (and that parent), and skip those before it."""
        return (await self.collect(msg_type, parent))[-1]

    async def collect(self, msg_type: str, parent: dict[str, Any] | None = None) -> list[Received]:
        """Return the messages up to the first of that type; with a parent, only its children."""
        found = []
        while True:
            message = await self.recv()
            if parent is not None and message.parent_header.get("msg_id") != parent["msg_id"]:
                continue
            found.append(message)
            if message.msg_type == msg_type:
                return found

    async def until_state(self, state: str) -> list[Received]:
        """Return every message up to a status with that state."""
        found = [await self.recv()]
        while found[-1].content.get("execution_state") != state:
            found.append(await self.recv())
        return found

    async def execute(self, code: str, **more: Any) -> list[Received]:
        """Run code; return every message that belongs to it, with the reply and idle."""
        return await self.finished(await self.send(execute_request(code, **more)))

    async def finished(self, parent: dict[str, Any]) -> list[Received]:
        """Return every message that belongs to an execute_request, with its reply and idle."""
        found: list[Received] = []
        while not (_is_idle(found) and any(m.msg_type == "execute_reply" for m in found)):
            message = await self.recv()
            if message.parent_header.get("msg_id") == parent["msg_id"]:
                found.append(message)
        return found

    async def closed(self) -> tuple[int | None, str]:
        """Read until the server closes; return its code and reason."""
        # Whoever stops reading does not see the end: the close frame comes behind the messages.
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.websocket.recv()
        return self.websocket.close_code, self.websocket.close_reason or ""


def _is_idle(messages: list[Received]) -> bool:
    return any(m.content.get("execution_state") == "idle" for m in messages)


def stdout(messages: list[Received]) -> str:
    return "".join(m.content["text"] for m in messages if m.msg_type == "stream")


@asynccontextmanager
async def open_client(url: str, wire: str, **options: Any) -> AsyncIterator[Client]:
    """Connect to ``url`` in the format ``wire``: "v1" or "default"."""
    options.setdefault("max_size", None)
    if options.get("max_queue") == 1:
        # Who reads nothing on purpose sees no pong either, and would give up by itself.
        options.setdefault("ping_interval", None)
    subprotocols = [Subprotocol(V1)] if wire == "v1" else None
    async with connect(url, subprotocols=subprotocols, compression=None, **options) as websocket:
        try:
            yield Client(websocket)
        finally:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(websocket.close())
                # One that does not read does not see that its close is answered.
                tasks.create_task(_read_to_the_end(websocket))


async def _read_to_the_end(websocket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed, ConcurrencyError):
        while True:
            await websocket.recv(decode=False)


@asynccontextmanager
async def eager_client(url: str, wire: str, **options: Any) -> AsyncIterator[Client]:
    """Connect with a client that reads all messages at once, even if the test does not take them.

    Other clients stop reading when sixteen messages wait, as most libraries do.
    """
    async with open_client(url, wire, max_queue=None, **options) as client:
        yield client

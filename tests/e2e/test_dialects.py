"""Lenient clients that speak the default format their own way: what they send and read.

Each repeats what a published client sends. All of them read up to idle only, and go by the
``msg_type`` at the top level of a message, not the one in its header.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.support.processes import TOKEN, w2z

CONTENT = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}


@dataclass(frozen=True)
class Dialect:
    """How a client connects, and what its requests have beyond or without the usual."""

    name: str
    query: str = ""
    http_headers: dict[str, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)

    def request(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "session": uuid.uuid4().hex,  # not that of the websocket, which names none
            **self.header,
        }
        rest = {"parent_header": {}, "metadata": {}, "content": content}
        return {"header": header, **rest, **self.message}


AUTOGEN = Dialect(
    "autogen",
    http_headers={"Authorization": f"token {TOKEN}"},
    header={"username": "autogen", "version": "5.0", "date": "2026-11-22T22:48:07.255026"},
    message={"channel": "shell", "buffers": {}},
    content={"stop_on_error": True},
)
SMOLAGENTS = Dialect(
    "smolagents",
    query=f"?token={TOKEN}",
    header={"username": "anonymous", "version": "5.0"},
)
E2B = Dialect("e2b", header={"username": "e2b", "version": "5.3"})
"""Its websocket has no token: w2z is its neighbour in the container and runs with --no-auth."""


async def replay(url: str, dialect: Dialect, code: str) -> list[dict[str, Any]]:
    """What the client would read of its execution, up to idle."""
    async with connect(url + dialect.query, additional_headers=dialect.http_headers) as websocket:
        asked = dialect.request("execute_request", {"code": code, **CONTENT, **dialect.content})
        await websocket.send(json.dumps(asked))
        found: list[dict[str, Any]] = []
        while not found or found[-1]["content"].get("execution_state") != "idle":
            message = json.loads(await websocket.recv())
            if message["parent_header"].get("msg_id") == asked["header"]["msg_id"]:
                found.append(message)
        return found


@pytest.mark.parametrize("dialect", [AUTOGEN, SMOLAGENTS, E2B], ids=lambda dialect: dialect.name)
async def test_it_runs_code_and_reads_the_outcome(kernel_file: Path, dialect: Dialect) -> None:
    options, token = (("--no-auth",), None) if dialect is E2B else ((), TOKEN)
    async with w2z(kernel_file, "--kernel-id", "one", *options, token=token) as served:
        url = f"{served.url.replace('http', 'ws', 1)}api/kernels/one/channels"

        seen = await replay(url, dialect, "print('hello ☃'); 6 * 7")
        by_type = {message["msg_type"]: message["content"] for message in seen}
        assert by_type["stream"]["text"] == "hello ☃\n"
        assert by_type["execute_result"]["data"]["text/plain"] == "42"
        assert by_type["execute_input"]["execution_count"] == 1
        assert all(message["header"]["date"] for message in seen)

        seen = await replay(url, dialect, "1 / 0")
        by_type = {message["msg_type"]: message["content"] for message in seen}
        assert by_type["error"]["ename"] == "ZeroDivisionError"

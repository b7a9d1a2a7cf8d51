"""Lenient clients that speak REST and the default format their own way: what they send and read.

Each repeats what a published client sends. All of them read up to idle only, and go by the
``msg_type`` at the top level of a message, not the one in its header.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.support.processes import TOKEN, W2z, supervised_ipykernel, w2z
from tests.support.rest import open_rest

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


def of_type(messages: list[dict[str, Any]], msg_type: str) -> dict[str, Any]:
    """The content of the one message of that type."""
    [found] = [message["content"] for message in messages if message["msg_type"] == msg_type]
    content: dict[str, Any] = found
    return content


def channels(served: W2z, kernel_id: str) -> str:
    return f"{served.url.replace('http', 'ws', 1)}api/kernels/{kernel_id}/channels"


@pytest.mark.parametrize("dialect", [AUTOGEN, SMOLAGENTS, E2B], ids=lambda dialect: dialect.name)
async def test_it_runs_code_and_reads_the_outcome(kernel_file: Path, dialect: Dialect) -> None:
    options, token = (("--no-auth",), None) if dialect is E2B else ((), TOKEN)
    async with w2z(kernel_file, "--kernel-id", "one", *options, token=token) as served:
        url = channels(served, "one")

        seen = await replay(url, dialect, "print('hello ☃'); 6 * 7")
        by_type = {message["msg_type"]: message["content"] for message in seen}
        assert by_type["stream"]["text"] == "hello ☃\n"
        assert by_type["execute_result"]["data"]["text/plain"] == "42"
        assert by_type["execute_input"]["execution_count"] == 1
        assert all(message["header"]["date"] for message in seen)

        seen = await replay(url, dialect, "1 / 0")
        assert of_type(seen, "error")["ename"] == "ZeroDivisionError"


async def test_autogen_starts_restarts_and_deletes_its_kernel(supervised: W2z) -> None:
    async with open_rest(supervised.url, f"Authorization: token {TOKEN}") as rest:
        specs = await rest.json("GET /api/kernelspecs")
        [kernel] = await rest.json("GET /api/kernels")
        body = {"name": specs["default"]}
        started = await rest.json("POST /api/kernels", body, status=201)
        assert started["id"] == kernel["id"]
        path, url = f"/api/kernels/{kernel['id']}", channels(supervised, kernel["id"])

        await replay(url, AUTOGEN, "kept = 1")
        restarted = await rest.json(f"POST {path}/restart")
        assert restarted["id"] == kernel["id"]
        seen = await replay(url, AUTOGEN, "print('again'); kept")
        assert of_type(seen, "stream")["text"] == "again\n"
        assert of_type(seen, "error")["ename"] == "NameError"

        await rest.done(f"DELETE {path}")
        seen = await replay(url, AUTOGEN, "print('still here')")
        assert of_type(seen, "stream")["text"] == "still here\n"


async def test_smolagents_starts_a_kernel_without_a_body(served: W2z) -> None:
    async with open_rest(served.url) as rest:
        started = await rest.json(f"POST /api/kernels?token={TOKEN}", status=201)
        seen = await replay(channels(served, started["id"]), SMOLAGENTS, "print('hello ☃')")
        assert of_type(seen, "stream")["text"] == "hello ☃\n"
        await rest.done(f"DELETE /api/kernels/{started['id']}?token={TOKEN}")


async def test_e2b_makes_a_session_interrupts_and_restarts(tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel_file,
        w2z(kernel_file, "--no-auth", token=None) as served,
        open_rest(served.url) as rest,
    ):
        body = {
            "path": uuid.uuid4().hex,
            "kernel": {"name": "python3"},
            "type": "notebook",
            "name": uuid.uuid4().hex,
        }
        session = await rest.json("POST /api/sessions", body, status=201)
        kernel_id = session["kernel"]["id"]
        path, url = f"/api/kernels/{kernel_id}", channels(served, kernel_id)

        async with connect(url) as websocket, asyncio.TaskGroup() as tasks:
            endless = (
                "import time\nprint('begun', end='', flush=True)\nwhile True: time.sleep(0.05)"
            )
            running = tasks.create_task(replay(url, E2B, endless))
            # The kernel itself may have something to say before.
            while "begun" not in json.loads(await websocket.recv())["content"].get("text", ""):
                pass
            await rest.done(f"POST {path}/interrupt")
        assert of_type(await running, "error")["ename"] == "KeyboardInterrupt"

        assert (await rest.json(f"POST {path}/restart"))["id"] == kernel_id
        seen = await replay(url, E2B, "print('again')")
        assert of_type(seen, "stream")["text"] == "again\n"
        await rest.done(f"DELETE /api/sessions/{session['id']}")

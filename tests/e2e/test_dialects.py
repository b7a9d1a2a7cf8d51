"""Lenient clients that speak REST and the default format their own way: what they send and read.

Each repeats what a published client sends: autogen-ext 0.7.5, smolagents 1.26.0, and the template
0.4.6 of e2b's code interpreter. All of them read up to idle only, and go by the ``msg_type`` at
the top level of a message, not the one in its header.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.support.cable import cable
from tests.support.cells import ENDLESS
from tests.support.processes import TOKEN, W2z, supervised_ipykernel, w2z
from tests.support.rest import open_rest

CONTENT = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}

RICH = "from IPython.display import display, HTML; display(HTML('<b>ü</b>'))"

CUT = """\
import pathlib
print('begun', flush=True)
while not pathlib.Path({file!r}).exists():
    pass
print('while it was away', flush=True)
kept = 'kept'"""


@dataclass(frozen=True)
class Dialect:
    """How a client connects, and what its requests have beyond or without the usual."""

    name: str
    query: str = ""
    http_headers: dict[str, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    token: str | None = TOKEN

    def request(self, msg_type: str, content: dict[str, Any], **more: Any) -> dict[str, Any]:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "session": uuid.uuid4().hex,  # not that of the websocket, which names none
            **self.header,
        }
        rest = {"parent_header": {}, "metadata": {}, "content": content}
        return {"header": header, **rest, **self.message, **more}

    def execute_request(self, code: str, **more: Any) -> dict[str, Any]:
        return self.request("execute_request", {"code": code, **CONTENT, **self.content, **more})


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
E2B = Dialect(
    "e2b",
    header={"username": "e2b", "version": "5.3", "date": "2026-11-22T22:48:07.255026+00:00"},
    message={
        "metadata": {"trusted": True, "deletedCells": [], "recordTiming": False, "cellId": "a"}
    },
    content={"stop_on_error": True},
    token=None,
)
"""Its websocket has no token: w2z is its neighbour in the container and runs with --no-auth."""

each = pytest.mark.parametrize("dialect", [AUTOGEN, SMOLAGENTS, E2B], ids=lambda one: one.name)


class Agent:
    """A client of that dialect on one websocket."""

    def __init__(self, websocket: ClientConnection, dialect: Dialect) -> None:
        self.websocket = websocket
        self.dialect = dialect

    async def send(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send it, and return it."""
        await self.websocket.send(json.dumps(message))
        return message

    async def ask(self, code: str, **more: Any) -> dict[str, Any]:
        """Have code executed; the request."""
        return await self.send(self.dialect.execute_request(code, **more))

    async def hear(self, asked: dict[str, Any], *wanted: str) -> list[dict[str, Any]]:
        """Everything that comes, up to the request's idle or until it has all these types."""
        heard: list[dict[str, Any]] = []
        while not _is_whole(children(heard, asked), set(wanted)):
            heard.append(json.loads(await self.websocket.recv()))
        return heard

    async def read(self, asked: dict[str, Any], *wanted: str) -> list[dict[str, Any]]:
        """Of that, what belongs to the request."""
        return children(await self.hear(asked, *wanted), asked)

    async def run(self, code: str, **more: Any) -> list[dict[str, Any]]:
        """What the client would read of its execution, up to idle."""
        return await self.read(await self.ask(code, **more))


def children(messages: list[dict[str, Any]], asked: dict[str, Any]) -> list[dict[str, Any]]:
    msg_id = asked["header"]["msg_id"]
    return [message for message in messages if message["parent_header"].get("msg_id") == msg_id]


def _is_whole(messages: list[dict[str, Any]], wanted: set[str]) -> bool:
    if wanted:
        return wanted <= {message["msg_type"] for message in messages}
    return bool(messages) and messages[-1]["content"].get("execution_state") == "idle"


@asynccontextmanager
async def open_agent(url: str, dialect: Dialect) -> AsyncIterator[Agent]:
    async with connect(url + dialect.query, additional_headers=dialect.http_headers) as websocket:
        yield Agent(websocket, dialect)


async def replay(url: str, dialect: Dialect, code: str) -> list[dict[str, Any]]:
    """What the client would read of its execution over a websocket of its own."""
    async with open_agent(url, dialect) as agent:
        return await agent.run(code)


def of_type(messages: list[dict[str, Any]], msg_type: str) -> dict[str, Any]:
    """The content of the one message of that type."""
    [found] = [message["content"] for message in messages if message["msg_type"] == msg_type]
    content: dict[str, Any] = found
    return content


def channels(url: str, kernel_id: str) -> str:
    return f"{url.replace('http', 'ws', 1)}api/kernels/{kernel_id}/channels"


@asynccontextmanager
async def served_to(dialect: Dialect, kernel_file: Path) -> AsyncIterator[W2z]:
    """w2z for clients of that dialect; the kernel's id is "one"."""
    options = () if dialect.token else ("--no-auth",)
    async with w2z(kernel_file, "--kernel-id", "one", *options, token=dialect.token) as served:
        yield served


@each
async def test_it_runs_code_and_reads_the_outcome(kernel_file: Path, dialect: Dialect) -> None:
    async with served_to(dialect, kernel_file) as served:
        url = channels(served.url, "one")

        seen = await replay(url, dialect, "print('hello ☃'); 6 * 7")
        by_type = {message["msg_type"]: message["content"] for message in seen}
        assert by_type["stream"]["text"] == "hello ☃\n"
        assert by_type["execute_result"]["data"]["text/plain"] == "42"
        assert by_type["execute_input"]["execution_count"] == 1
        assert all(message["header"]["date"] for message in seen)

        seen = await replay(url, dialect, RICH)
        assert of_type(seen, "display_data")["data"]["text/html"] == "<b>ü</b>"

        seen = await replay(url, dialect, "1 / 0")
        assert of_type(seen, "error")["ename"] == "ZeroDivisionError"


@each
async def test_code_that_asks_for_input_fails_like_any_other(
    kernel_file: Path, dialect: Dialect
) -> None:
    async with (
        served_to(dialect, kernel_file) as served,
        open_agent(channels(served.url, "one"), dialect) as agent,
    ):
        # With stop_on_error ipykernel aborts what comes right behind a cell that fails.
        asked = await agent.ask("input('who? ')", stop_on_error=False)
        seen = await agent.read(asked, "error", "execute_reply")
        assert of_type(seen, "error")["ename"] == "StdinNotImplementedError"
        reply = of_type(seen, "execute_reply")
        assert (reply["status"], reply["ename"]) == ("error", "StdinNotImplementedError")
        assert "input_request" not in {message["msg_type"] for message in seen}

        seen = await agent.run("print('still here')")
        assert of_type(seen, "stream")["text"] == "still here\n"


@each
async def test_input_is_answered_by_a_message_as_it_writes_them(
    kernel_file: Path, dialect: Dialect
) -> None:
    """As published, none of them allows input: this is for whoever makes one that does."""
    async with (
        served_to(dialect, kernel_file) as served,
        open_agent(channels(served.url, "one"), dialect) as agent,
    ):
        asked = await agent.ask("print('hello', input('who? '))", allow_stdin=True)
        prompt = (await agent.read(asked, "input_request"))[-1]
        assert prompt["channel"] == "stdin"
        assert prompt["content"] == {"prompt": "who? ", "password": False}
        # Not a child of the prompt, and with what its dialect has or lacks.
        await agent.send(dialect.request("input_reply", {"value": "anna"}, channel="stdin"))
        assert of_type(await agent.read(asked), "stream")["text"] == "hello anna\n"


@each
async def test_a_cut_ends_its_cell_and_another_connection_finds_what_the_cell_did(
    kernel_file: Path, tmp_path: Path, dialect: Dialect
) -> None:
    """autogen's user gets another client, smolagents connects for each cell, e2b connects again."""
    file = tmp_path / "cut"
    async with (
        served_to(dialect, kernel_file) as served,
        cable(served.url) as line,
        open_rest(served.url, f"Authorization: token {TOKEN}") as rest,
    ):
        url = channels(line.url, "one")
        async with open_agent(url, dialect) as agent:
            lost = await agent.ask(CUT.format(file=str(file)))
            seen = await agent.read(lost, "stream")
            assert of_type(seen, "stream")["text"] == "begun\n"
            line.cut()
            with pytest.raises(ConnectionClosedError):
                await agent.read(lost)
        await rest.kernel(connections=0, execution_state="busy")
        file.touch()
        await rest.kernel(execution_state="idle")

        async with open_agent(url, dialect) as agent:
            asked = await agent.ask("print(kept)")
            heard = await agent.hear(asked)
        assert of_type(children(heard, asked), "stream")["text"] == "kept\n"
        # Without a session_id it is nobody who came back: what the cell printed is gone. Like any
        # newcomer it was told what the kernel did last.
        told = [message["header"]["msg_type"] for message in children(heard, lost)]
        assert told in ([], ["status"])


async def test_autogen_starts_restarts_and_deletes_its_kernel(supervised: W2z) -> None:
    async with open_rest(supervised.url, f"Authorization: token {TOKEN}") as rest:
        specs = await rest.json("GET /api/kernelspecs")
        assert specs["default"] in specs["kernelspecs"]
        [kernel] = await rest.json("GET /api/kernels")
        body = {"name": specs["default"]}
        started = await rest.json("POST /api/kernels", body, status=201)
        assert started["id"] == kernel["id"]
        path, url = f"/api/kernels/{kernel['id']}", channels(supervised.url, kernel["id"])

        # It keeps its websocket, and asks whether the kernel is ready before each of its tasks.
        async with open_agent(url, AUTOGEN) as agent:
            for code in ("kept = 1", "print(kept)"):
                asked = await agent.send(AUTOGEN.request("kernel_info_request", {}))
                await agent.read(asked, "kernel_info_reply")
                seen = await agent.run(code)
            assert of_type(seen, "stream")["text"] == "1\n"
            restarted = await rest.json(f"POST {path}/restart")
            assert restarted["id"] == kernel["id"]
        seen = await replay(url, AUTOGEN, "print('again'); kept")
        assert of_type(seen, "stream")["text"] == "again\n"
        assert of_type(seen, "error")["ename"] == "NameError"

        await rest.done(f"DELETE {path}")
        seen = await replay(url, AUTOGEN, "print('still here')")
        assert of_type(seen, "stream")["text"] == "still here\n"


async def test_smolagents_starts_a_kernel_without_a_body(served: W2z) -> None:
    """All that it asks of the server: it ends the kernel by ending the container."""
    async with open_rest(served.url) as rest:
        await rest.json(f"GET /api/kernelspecs?token={TOKEN}")
        started = await rest.json(f"POST /api/kernels?token={TOKEN}", status=201)
        seen = await replay(channels(served.url, started["id"]), SMOLAGENTS, "print('hello ☃')")
        assert of_type(seen, "stream")["text"] == "hello ☃\n"


async def test_e2b_makes_a_session_interrupts_restarts_and_deletes_its_kernel(
    tmp_path: Path,
) -> None:
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
        path, url = f"/api/kernels/{kernel_id}", channels(served.url, kernel_id)

        async with open_agent(url, E2B) as agent:
            # Its own requests are silent ones, at whose end it goes by the states alone.
            seen = await agent.run(f"%cd {tmp_path}", silent=True)
            states = [one["content"].get("execution_state") for one in seen]
            assert (states[0], states[-1]) == ("busy", "idle")
            seen = await agent.run("import os; print(os.getcwd())")
            assert of_type(seen, "stream")["text"] == f"{tmp_path}\n"

            asked = await agent.ask(ENDLESS)
            await agent.read(asked, "stream")
            await rest.done(f"POST {path}/interrupt")
            assert of_type(await agent.read(asked), "error")["ename"] == "KeyboardInterrupt"

        assert (await rest.json(f"POST {path}/restart"))["id"] == kernel_id
        seen = await replay(url, E2B, "print('again'); os")
        assert of_type(seen, "stream")["text"] == "again\n"
        assert of_type(seen, "error")["ename"] == "NameError"

        await rest.done(f"DELETE {path}")
        session = await rest.json("POST /api/sessions", body, status=201)
        assert session["kernel"]["id"] == kernel_id
        seen = await replay(url, E2B, "print('still here')")
        assert of_type(seen, "stream")["text"] == "still here\n"


async def test_e2b_sends_again_what_a_cut_connection_did_not_take(kernel_file: Path) -> None:
    async with served_to(E2B, kernel_file) as served, cable(served.url) as line:
        url = channels(line.url, "one")
        async with open_agent(url, E2B) as agent:
            await agent.run("kept = 'kept'")
            line.cut()
            await agent.websocket.wait_closed()
            request = E2B.execute_request("print(kept)")
            with pytest.raises(ConnectionClosedError):
                await agent.send(request)
            await agent.websocket.close(reason="Reconnecting")
        async with open_agent(url, E2B) as agent:
            seen = await agent.read(await agent.send(request))
            assert of_type(seen, "stream")["text"] == "kept\n"

"""A kernel that is told to end while a cell runs is interrupted first, whoever tells it and how.

The cell's client gets an error, a reply and an idle, and nobody waits for SIGTERM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_launch_interrupts import R
from tests.support.cells import Held
from tests.support.client import Client, Received, eager_client, execute_request, request, stdout
from tests.support.processes import IPYKERNEL, W2z, launched

PYTHON = ("--kernel", "python3")
BY_MESSAGE = ("--interrupt-mode", "message")

End = Callable[[W2z, Client], Coroutine[Any, Any, None]]
"""One of the ways to tell the kernel to end."""


async def post_restart(served: W2z, client: Client) -> None:
    async with served.rest() as rest:
        [model] = await rest.json("GET /api/kernels")
        await rest.json(f"POST /api/kernels/{model['id']}/restart")


async def delete(served: W2z, client: Client) -> None:
    async with served.rest() as rest:
        [model] = await rest.json("GET /api/kernels")
        await rest.done(f"DELETE /api/kernels/{model['id']}")


async def shutdown_request_restart(served: W2z, client: Client) -> None:
    await client.send(request("shutdown_request", {"restart": True}, channel="control"))


def was_interrupted(seen: list[Received]) -> bool:
    """Whether the cell ended by an interrupt, as its client sees it."""
    [reply] = [message for message in seen if message.msg_type == "execute_reply"]
    errors = [message.content["ename"] for message in seen if message.msg_type == "error"]
    return reply.content["status"] == "error" and errors == ["KeyboardInterrupt"]


@pytest.mark.parametrize(
    ("end", "options"),
    [
        (post_restart, PYTHON),
        (post_restart, (*BY_MESSAGE, *PYTHON)),
        (post_restart, IPYKERNEL),
        (delete, ("--on-delete", "restart", *PYTHON)),
    ],
    ids=[
        "POST restart",
        "POST restart, by message",
        "POST restart, without a kernelspec",
        "DELETE that restarts",
    ],
)
async def test_a_restart_interrupts_what_an_ipykernel_runs(
    tmp_path: Path, end: End, options: tuple[str, ...]
) -> None:
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *options) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        ending = tasks.create_task(end(served, ann))
        assert was_interrupted(await ann.finished(asked))
        await ending
        assert stdout(await ann.execute("print('asked' in globals())")) == "False\n"
        await served.kernel(2)
        assert "does not end" not in served.process.output


@pytest.mark.parametrize("end", [post_restart, shutdown_request_restart])
async def test_a_restart_interrupts_what_r_runs(tmp_path: Path, end: End) -> None:
    """IRkernel takes SIGINT only, and reads no shutdown_request before its cell has ended."""
    cell = Held(tmp_path, language="R")
    async with (
        launched(tmp_path, *R) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        ending = tasks.create_task(end(served, ann))
        await ann.finished(asked)
        await ending
        assert stdout(await ann.execute("cat('next')")) == "next"
        await served.kernel(2)
        assert "does not end" not in served.process.output


@pytest.mark.parametrize("end", [delete])
async def test_an_end_for_good_interrupts_what_the_kernel_runs(tmp_path: Path, end: End) -> None:
    cell = Held(tmp_path)
    options = ("--on-delete", "stop", *PYTHON)
    async with (
        launched(tmp_path, *options, ends=0) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        ending = tasks.create_task(end(served, ann))
        assert was_interrupted(await ann.finished(asked))
        await ending
        assert (await ann.closed())[0] == 1012
        assert "does not end" not in served.process.output


async def test_a_cell_that_waits_behind_it_is_answered_as_well(tmp_path: Path) -> None:
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *PYTHON) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        eager_client(served.websocket("b"), "v1") as ben,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        behind = await ben.send(execute_request("print('never')"))
        ending = tasks.create_task(post_restart(served, ann))
        assert was_interrupted(await ann.finished(asked))
        seen = await ben.finished(behind)
        [reply] = [message for message in seen if message.msg_type == "execute_reply"]
        assert reply.content["status"] in ("aborted", "error")
        assert stdout(seen) == ""
        await ending


async def test_a_restart_under_a_supervisor_interrupts_it(supervised: W2z, tmp_path: Path) -> None:
    cell = Held(tmp_path)
    async with (
        eager_client(supervised.websocket("a"), "v1") as ann,
        asyncio.TaskGroup() as tasks,
    ):
        await supervised.ready()
        asked = await cell.begin(ann)
        ending = tasks.create_task(post_restart(supervised, ann))
        assert was_interrupted(await ann.finished(asked))
        await ending
        assert stdout(await ann.execute("print('asked' in globals())")) == "False\n"

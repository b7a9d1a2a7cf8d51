"""Whoever comes while the kernel is busy, w2z itself included: a client, an operator's timeout."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.test_attach_ends import w2z_to_end
from tests.e2e.test_launch_interrupts import interrupt
from tests.support.attaching import IPYKERNEL as KERNEL
from tests.support.attaching import R, behind, kernel_at, place
from tests.support.cable import cable
from tests.support.cells import Held, everything, said
from tests.support.client import Client, eager_client, execute_request, request, stdout
from tests.support.javascript import NEW, OLD, Script, script
from tests.support.processes import IPYKERNEL, W2z, launched, outlived, w2z


def lab(served: W2z, package: str = NEW, wire: str = "v1") -> AbstractAsyncContextManager[Script]:
    """JupyterLab's client, opened on the one kernel there is."""
    return script("busy.cjs", package, served, wire)


async def learns(client: Client) -> dict[str, Any]:
    """Ask what the kernel is, as clients do first; the answer, when it is whole."""
    asked = await client.send(request("kernel_info_request"))
    states, content = [], None
    while content is None or states != ["busy", "idle"]:
        message = await client.recv()
        if message.parent_header.get("msg_id") != asked["msg_id"]:
            continue
        if message.msg_type == "status":
            states.append(message.content["execution_state"])
        else:
            assert (message.channel, message.msg_type) == ("shell", "kernel_info_reply")
            content = message.content
    return content


async def ends_by_interrupt(client: Client, asked: dict[str, Any]) -> None:
    seen = await client.finished(asked)
    assert [m.content["ename"] for m in seen if m.msg_type == "error"] == ["KeyboardInterrupt"]
    [reply] = [m for m in seen if m.msg_type == "execute_reply"]
    assert reply.content["status"] == "error"


# A client comes to a kernel that w2z knows already.


@pytest.mark.parametrize(("package", "wire"), [(NEW, "v1"), (NEW, "default"), (OLD, "default")])
async def test_jupyterlab_learns_what_a_busy_kernel_is(
    tmp_path: Path, package: str, wire: str
) -> None:
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *IPYKERNEL) as served,
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        async with lab(served, package, wire) as opened:
            assert await opened.saw("info") == {"language": "python"}
            cell.speak()
            await opened.saw("shown")
            cell.let_go()
            ran = {"status": "ok", "text": "mine\n", "language": "python"}
            assert await opened.saw("ran") == ran
            await opened.ended()
        await ann.finished(asked)


async def test_jupyterlab_shows_a_busy_kernel_as_busy(tmp_path: Path) -> None:
    """Also after w2z has answered in the kernel's place, which takes a busy and an idle."""
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *IPYKERNEL) as served,
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        async with lab(served) as opened:
            await opened.saw("info")
            cell.speak()
            assert await opened.saw("shown") == {"status": "busy"}
            cell.let_go()
            await opened.saw("ran")
        await ann.finished(asked)


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_who_asks_when_a_cell_has_just_begun_is_answered_once(
    tmp_path: Path, wire: str
) -> None:
    """The kernel has the question by then, perhaps, and will answer it when the cell is over."""
    cell = Held(tmp_path)
    async with (
        launched(tmp_path, *IPYKERNEL) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        eager_client(served.websocket("b"), wire) as ben,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        told = await learns(ben)
        assert told["language_info"]["name"] == "python"
        cell.let_go()
        await ann.finished(asked)
        seen = await everything(ben, "print('mine')")
        assert stdout(seen) == "mine\n"
        assert "kernel_info_reply" not in [message.msg_type for message in seen]


# w2z comes to a kernel that is busy with what somebody else asked for.


async def test_w2z_attached_to_a_busy_ipykernel_knows_that_it_is(tmp_path: Path) -> None:
    path, cell = place(tmp_path), Held(tmp_path)
    async with (
        kernel_at(path),
        w2z(path) as other,
        eager_client(other.websocket("a"), "v1") as ann,
    ):
        # Without stop_on_error: the kernel goes on with the next cell although this one fails.
        asked = await cell.begin(ann, stop_on_error=False)
        async with w2z(path) as late, late.rest() as rest:
            await rest.kernel(execution_state="busy")
            assert (await rest.ask("GET /readyz")).status == 200
            async with eager_client(late.websocket("b"), "v1") as ben:
                told = await ben.until("status")
                assert told.content["execution_state"] == "busy"
                assert (await learns(ben))["language_info"]["name"] == "python"
                waiting = await ben.send(execute_request("print('next')"))
                assert (await interrupt(late)).status == 204
                await ends_by_interrupt(ann, asked)
                assert stdout(await ben.finished(waiting)) == "next\n"
            await rest.kernel(execution_state="idle")


async def test_jupyterlab_learns_it_also_where_w2z_came_late(tmp_path: Path) -> None:
    path, cell = place(tmp_path), Held(tmp_path)
    async with (
        kernel_at(path),
        w2z(path) as other,
        eager_client(other.websocket("a"), "v1") as ann,
    ):
        asked = await cell.begin(ann)
        async with w2z(path) as late, lab(late) as opened:
            assert await opened.saw("info") == {"language": "python"}
            cell.speak()
            assert await opened.saw("shown") == {"status": "busy"}
            cell.let_go()
            assert (await opened.saw("ran"))["text"] == "mine\n"
        await ann.finished(asked)


async def test_a_busy_kernel_that_says_nothing_at_all_is_interrupted(tmp_path: Path) -> None:
    """IRkernel has one thread: it answers nobody until its cell ends. Its name says enough."""
    path, cell = place(tmp_path, kernel_name="ir"), Held(tmp_path, language="R")
    async with (
        kernel_at(path, R),
        w2z(path) as other,
        eager_client(other.websocket("a"), "v1") as ann,
    ):
        asked = await cell.begin(ann)
        async with w2z(path) as late, eager_client(late.websocket("b"), "v1") as ben:
            waiting = await ben.send(execute_request("cat('next')"))
            answer = await interrupt(late)
            assert (answer.status, answer.body) == (204, b"")
            await ann.finished(asked)
            assert stdout(await ben.finished(waiting)) == "next"
            await late.ready()


@pytest.mark.parametrize(
    ("kernel", "name", "language"),
    [(KERNEL, "python3", "python"), (R, "ir", "R")],
    ids=["ipykernel", "IRkernel"],
)
async def test_nobody_needs_a_kernel_only_when_it_is_idle(
    tmp_path: Path, kernel: tuple[str, ...], name: str, language: str
) -> None:
    """The cell takes longer than the timeout; nobody is connected to the w2z that has it."""
    path, cell = place(tmp_path, kernel_name=name), Held(tmp_path, language=language)
    async with (
        kernel_at(path, kernel),
        w2z(path) as other,
        eager_client(other.websocket("a"), "v1") as ann,
    ):
        await other.ready()
        asked = await cell.begin(ann)
        async with w2z_to_end(path, "--idle-timeout", "3") as late:
            await outlived(tmp_path, 3)
            assert "shutting down" not in late.process.output
            cell.let_go()
            await late.process.line("nobody has needed the kernel for 3 s: shutting down")
            assert await late.process.end() == 0
        await ann.finished(asked)


# The network in between loses that a cell has ended.


async def test_an_idle_that_was_lost_does_not_keep_the_kernel_busy(tmp_path: Path) -> None:
    path, cell = place(tmp_path), Held(tmp_path)
    fields = json.loads(path.read_text())
    async with (
        kernel_at(path),
        cable(f"tcp://{fields['ip']}:{fields['iopub_port']}") as iopub,
        w2z(path) as other,
        eager_client(other.websocket("a"), "v1") as ann,
        w2z_to_end(
            behind(path, iopub_port=urlsplit(iopub.url).port), "--idle-timeout", "3"
        ) as served,
    ):
        async with eager_client(served.websocket("b"), "v1") as ben, served.rest() as rest:
            await ben.execute("1")
            asked = await cell.begin(ann)
            await rest.kernel(execution_state="busy")
            with iopub.down():
                cell.let_go()
                await ann.finished(asked)
            await rest.kernel(execution_state="idle")
            assert (await learns(ben))["language_info"]["name"] == "python"
            assert stdout(await ben.execute("print('idle')")) == "idle\n"
        await served.process.line("nobody has needed the kernel for 3 s: shutting down")
        assert await served.process.end() == 0


async def test_a_cell_that_goes_on_after_the_network_was_cut_keeps_the_kernel_busy(
    tmp_path: Path,
) -> None:
    path, cell = place(tmp_path), Held(tmp_path, then="print('end')")
    fields = json.loads(path.read_text())
    async with (
        kernel_at(path),
        cable(f"tcp://{fields['ip']}:{fields['iopub_port']}") as iopub,
        w2z(behind(path, iopub_port=urlsplit(iopub.url).port)) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        served.rest() as rest,
    ):
        await served.ready()
        asked = await cell.begin(ann)
        with iopub.down():
            while (await rest.ask("GET /readyz")).status == 200:
                pass
        cell.speak()
        await said(ann, asked, "still here")
        assert (await rest.json("GET /api/kernels"))[0]["execution_state"] == "busy"
        cell.let_go()
        seen = await ann.finished(asked)
        assert stdout(seen).endswith("end\n")
        await rest.kernel(execution_state="idle")

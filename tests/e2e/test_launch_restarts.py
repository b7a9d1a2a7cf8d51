"""Another kernel in place of the one that w2z started, because somebody asked for it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import execute_request, open_client, request, stdout
from tests.support.processes import IPYKERNEL, TINY, WITHOUT_UVLOOP, Hurdle, W2z, is_there, launched
from tests.support.rest import Rest

both_loops = pytest.mark.parametrize(
    "python", [("-m", "w2z"), WITHOUT_UVLOOP], ids=["uvloop", "asyncio"]
)

_READABLE = """
from w2z import cli
cli.hide_process = lambda: None
cli.main()
"""
READABLE = ("-c", _READABLE)
"""w2z whose /proc files this user may read, even if it is not root."""


async def restart(rest: Rest) -> str:
    """Restart by REST; the execution state in the answer."""
    [model] = await rest.json("GET /api/kernels")
    answer = await rest.json(f"POST /api/kernels/{model['id']}/restart")
    return str(answer["execution_state"])


@both_loops
async def test_a_restart_by_rest_keeps_the_websocket_and_forgets_the_state(
    tmp_path: Path, python: tuple[str, ...]
) -> None:
    hurdle = Hurdle(tmp_path)
    hurdle.pass_one()
    async with (
        launched(tmp_path, *hurdle.before(IPYKERNEL), python=python) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
        served.rest() as asking,
        asyncio.TaskGroup() as tasks,
    ):
        assert has_uvloop(served) == (python is not WITHOUT_UVLOOP)
        assert stdout(await client.execute("x = 1; print(x)")) == "1\n"
        restarting = tasks.create_task(restart(asking))
        await served.kernel(2)
        assert (await rest.ask("GET /readyz")).status == 503
        assert not restarting.done()
        waiting = await client.send(execute_request("print('x' in globals())"))

        hurdle.pass_one()
        assert await restarting in ("starting", "busy", "idle")
        seen = [await client.recv()]
        while seen[-1].msg_type != "execute_reply":
            seen.append(await client.recv())
        mine = [m for m in seen if m.parent_header.get("msg_id") == waiting["msg_id"]]
        assert stdout(mine) == "False\n"
        # JupyterLab would tell its user that the kernel died.
        states = [m.content["execution_state"] for m in seen if m.msg_type == "status"]
        assert "restarting" not in states
        assert "dead" not in states
        assert len(re.findall("started the kernel", served.process.output)) == 2
    hurdle.close()


def has_uvloop(served: W2z) -> bool:
    """Whether w2z has loaded uvloop: it asks for it before it says where it listens."""
    return "uvloop" in Path(f"/proc/{served.pid}/maps").read_text()


def used(pid: int) -> dict[str, int]:
    """What a process has of everything that could be leaked, memory apart."""
    process = Path(f"/proc/{pid}")
    return {
        "files": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        "children": len(list(children(pid))),
    }


def children(pid: int) -> Iterator[int]:
    """The processes whose parent it is, zombies included."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def files_in(folder: Path) -> list[Path]:
    """Everything below it."""
    return sorted(folder.rglob("*"))


def memory(pid: int) -> int:
    """Its resident memory in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]


async def test_fifty_restarts_leak_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ZMQ socket has a mailbox, which is a file."""
    async with (
        launched(tmp_path, *TINY, python=READABLE) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        seen = []
        for number in range(1, 51):
            await restart(rest)
            code = "import os; say(str(os.getpid()))"
            assert int(stdout(await client.execute(code))) == await served.kernel(number + 1)
            if number in (10, 50):
                seen.append((used(served.pid), memory(served.pid), files_in(tmp_path)))
        (before, memory_before, files_before), (after, memory_after, files_after) = seen
        with capsys.disabled():
            sys.stdout.write(
                f"\nafter 10 restarts: {before}, {memory_before} KiB"
                f"\nafter 50 restarts: {after}, {memory_after} KiB\n"
            )
        assert (before["children"], after["children"]) == (1, 1)
        assert after["threads"] == before["threads"]
        # Connections to a kernel are made one after the other; forty times one would be seen.
        assert after["files"] < before["files"] + 10
        assert files_after == files_before
        # A kernel's five sockets and its output thread take a hundred KiB and more: forty times
        # that would be seen, what the allocator keeps is not meant.
        assert memory_after - memory_before < 3 * 1024


async def test_restarts_asked_for_at_once_and_back_to_back_all_happen(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
        served.rest() as other,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(3):
            await restart(rest)
        await served.kernel(4)
        for task in [tasks.create_task(restart(one)) for one in (rest, other)]:
            await task
        await served.kernel(5)
        code = "import os; say(str(os.getpid()))"
        pid = int(stdout(await client.execute(code)))
        assert pid in [await served.kernel(5), await last_kernel(served)]


async def last_kernel(served: W2z) -> int:
    """The kernel started last."""
    return await served.kernel(len(re.findall("started the kernel", served.process.output)))


@both_loops
async def test_a_client_restarts_the_kernel_by_shutdown_request(
    tmp_path: Path, python: tuple[str, ...]
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", python=python) as served,
        open_client(served.websocket("a"), "v1") as client,
        open_client(served.websocket("b"), "default") as other,
    ):
        await served.ready()
        await client.execute("x = 1")
        await client.send(request("shutdown_request", {"restart": True}, channel="control"))
        # Right behind it: this is for the next kernel.
        asked = await client.send(execute_request("print('x' in globals())"))
        seen = await client.until_state("restarting")
        assert seen[-1].parent_header == {}
        assert stdout(await client.finished(asked)) == "False\n"
        await other.until_state("restarting")
        assert stdout(await other.execute("import os; print(os.getpid())")) == (
            f"{await served.kernel(2)}\n"
        )


async def test_a_client_ends_kernel_and_w2z_by_shutdown_request(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", ends=0) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await client.send(request("shutdown_request", {"restart": False}, channel="control"))
        seen = await client.until_state("dead")
        assert seen[-1].content["reason"] == "the kernel ended with exit code 0"
        assert (await client.closed())[0] == 1012


@pytest.mark.parametrize("on_delete", ["restart", "stop"])
async def test_delete_ends_the_kernel_as_on_delete_says(tmp_path: Path, on_delete: str) -> None:
    ends = 0 if on_delete == "stop" else None
    async with (
        launched(tmp_path, "--on-delete", on_delete, *TINY, ends=ends) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        await served.ready()
        [model] = await rest.json("GET /api/kernels")
        await rest.done(f"DELETE /api/kernels/{model['id']}")
        if on_delete == "restart":
            code = "import os; say(str(os.getpid()))"
            assert int(stdout(await client.execute(code))) == await served.kernel(2)
        else:
            assert (await client.closed())[0] == 1012


PLANT = """
import os, subprocess, sys
path = sys.argv[1]
far = subprocess.Popen(
    ["setsid", "sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1000; done"],
    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
say(f"{far.pid} {open(path).read()}")
"""
"""Leaves a process in a Unix session of its own that ignores signals, and shows what it could know
of the connection file.
"""


@pytest.mark.parametrize("how", ["POST", "DELETE"])
async def test_nothing_that_ran_before_a_restart_outlives_it_or_knows_the_next_kernel(
    tmp_path: Path, how: str
) -> None:
    async with (
        launched(tmp_path, "--on-delete", "restart", *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        await served.ready()
        [model] = await rest.json("GET /api/kernels")
        planted, told = stdout(await client.execute(PLANT)).split(maxsplit=1)
        before = json.loads(told)
        assert is_there(int(planted))
        waiting = await client.send(execute_request("import signal; signal.pause()"))
        if how == "POST":
            await restart(rest)
        else:
            await rest.done(f"DELETE /api/kernels/{model['id']}")
        assert not is_there(int(planted))
        replies = [one for one in await client.finished(waiting) if one.channel == "shell"]
        assert [one.content["status"] for one in replies] == ["error"]
        look = "import sys; say(open(sys.argv[1]).read())"
        after = json.loads(stdout(await client.execute(look)))
        assert before["key"] != after["key"]
        ports = {name for name in before if name.endswith("_port")}
        assert not {before[name] for name in ports} & {after[name] for name in ports}
        if how == "DELETE":
            async with open_client(f"{served.websocket('b')}&replay=all", "v1") as newcomer:
                heard = await newcomer.until_state("idle")
                assert told not in stdout(heard)

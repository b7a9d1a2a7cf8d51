"""Less usual ways in which a kernel that w2z started gives way to another."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import IPYKERNEL, Hurdle, launched


async def test_the_model_says_restarting_while_a_restart_by_rest_lasts(tmp_path: Path) -> None:
    hurdle = Hurdle(tmp_path)
    hurdle.pass_one()
    async with (
        launched(tmp_path, *hurdle.before(IPYKERNEL)) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
        served.rest() as asking,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        await client.execute("1")
        [model] = await rest.json("GET /api/kernels")
        path = f"POST /api/kernels/{model['id']}/restart"
        restarting = tasks.create_task(asking.ask(path))
        await served.kernel(2)
        [model] = await rest.json("GET /api/kernels")
        hurdle.pass_one()
        await restarting
        assert model["execution_state"] == "restarting"
    hurdle.close()


async def test_a_crash_in_the_very_first_cell_is_a_crash(tmp_path: Path) -> None:
    """The cell was taken and ran: the kernel was in use, whether or not w2z called it ready."""
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.send(execute_request("import os; os._exit(7)"))
        await client.until_state("restarting")
        await client.execute("1")


FORKED = """
import os, signal
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.write(write, str(os.getpid()).encode())
        while True: signal.pause()
    os._exit(0)
os.wait()
print(os.read(read, 20).decode())
"""


async def test_a_forked_daemon_that_holds_the_ports_does_not_keep_the_next_kernel_away(
    tmp_path: Path,
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert stdout(await client.execute(FORKED)).strip().isdecimal()
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        await client.until_state("restarting")
        await client.execute("1")

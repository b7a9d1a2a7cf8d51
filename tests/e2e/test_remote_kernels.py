"""Unmodified frontends of Jupyter with a remote kernel: what they see of faults."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_async_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from tests.e2e.test_attach_ends import w2z_to_end
from tests.support.cable import Cable, cable
from tests.support.frontends import Desk, desk
from tests.support.kernels import within
from tests.support.processes import IPYKERNEL, W2z, ipykernel, launched, w2z

NUMBERS = 20_000

COUNT = f"""
import time
counter = globals().get("counter", 0) + 1
for number in range({NUMBERS}):
    print(number, flush=True)
    if number % 100 == 0:
        time.sleep(0.1)
"""

SHOW = f"""
# Or ipykernel itself drops output when this machine has other work (docs/delivery.md).
iopub = get_ipython().kernel.iopub_thread
iopub.schedule(lambda: setattr(iopub.socket, "sndhwm", 0))
for number in range({NUMBERS}):
    display({{"text/plain": f"{{number}} " + 200 * "x"}}, raw=True)
"""


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[W2z]:
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, *IPYKERNEL) as made:
        await made.ready()
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = desk(tmp_path)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("JUPYTER_PATH", raising=False)
    return made


def notebook(*cells: str) -> Any:
    return new_notebook(cells=[new_code_cell(code) for code in cells])


def text_of(outputs: list[dict[str, Any]]) -> str:
    return "".join(one["text"] for one in outputs if one["output_type"] == "stream")


async def test_20000_outputs_over_200_cuts_are_seen_once(
    there: W2z, here: Desk, tmp_path: Path
) -> None:
    shown = tmp_path / "shown.json"
    cells = ("print('begun')", COUNT, "print(counter)")
    async with cable(there.url) as line:
        await here.install("far", line.url)
        program = ("-m", "tests.programs.run_notebook", str(shown), "far", *cells)
        async with here.run(*program) as process, asyncio.TaskGroup() as tasks:
            await process.line("a cell has ended")
            cutting = tasks.create_task(cut(line, 200))
            await process.line("a cell has ended", 2)
            assert cutting.done(), "all cuts came while it ran"
            assert await process.end() == 0
    _, numbers, times = (text_of(outputs) for outputs in json.loads(shown.read_text()))
    assert numbers.split() == [str(number) for number in range(NUMBERS)]
    assert times == "1\n", "it was executed once"


async def cut(line: Cable, times: int) -> None:
    """Cut all connections that often, at times that are the same in each run."""
    chance = Random(times)
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.03, 0.11))
        line.cut()


async def test_a_reader_that_stalls_for_12_seconds_gets_everything(there: W2z, here: Desk) -> None:
    await here.install("far", there.url)
    async with started("far") as (_, client):
        msg_id = client.execute(SHOW)
        # Not one event: what takes long is the whole of it.
        await asyncio.sleep(12)
        seen = []
        while True:
            message = await client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] == "display_data":
                seen.append(int(message["content"]["data"]["text/plain"].split()[0]))
            if message["content"].get("execution_state") == "idle":
                break
        assert seen == [*range(NUMBERS)]


@asynccontextmanager
async def started(name: str) -> AsyncIterator[tuple[AsyncKernelManager, AsyncKernelClient]]:
    """Start a kernel, and end it as a frontend does."""
    manager, client = await start_new_async_kernel(kernel_name=name)
    try:
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()


async def failure_of(client: NotebookClient) -> Exception | None:
    """Run a notebook, and return what is raised."""
    try:
        await client.async_execute()
    except Exception as error:  # noqa: BLE001 (the test says which it is)
        return error
    return None


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_cell_fails_when_its_w2z_was_killed(
    here: Desk, tmp_path: Path, comes_back: bool
) -> None:
    options = () if comes_back else ("--patience", "2")
    ran = notebook("import time; print('running', flush=True); time.sleep(60)")
    client = NotebookClient(ran, kernel_name="far", timeout=None)
    async with (
        ipykernel(tmp_path) as file,
        w2z_to_end(file) as first,
        cable(first.url) as line,
        w2z(file) as second,
        asyncio.TaskGroup() as tasks,
    ):
        await here.install("far", line.url, *options)
        running = tasks.create_task(failure_of(client))
        while not ran.cells[0].outputs:
            await asyncio.sleep(0.01)
        if comes_back:
            line.lead_to(int(second.url.rstrip("/").rsplit(":", 1)[1]))
        await first.process.end(signal.SIGKILL)
        async with within(5, "nbclient tells its user"):
            failure = await running
    if comes_back:
        assert isinstance(failure, CellExecutionError)
        assert "SessionLost" in str(failure)
    else:
        assert isinstance(failure, DeadKernelError)

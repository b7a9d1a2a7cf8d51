"""Runs a notebook with nbclient on a kernel behind a gateway, as papermill does.

The gateway is named by ``JUPYTER_GATEWAY_URL``. Prints what came of it as one JSON object. With
the path of a file as its argument it has its connection cut in a cell that ends when the file is
there; it says "begun" and "lost" in between.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.support.cells import ENDLESS

CELLS = [
    "print('hello ☃')\n6 * 7",
    "from IPython.display import display, HTML\ndisplay(HTML('<b>ü</b>'))",
    "1 / 0",
    "input('who? ')",
]
CUT = """\
import pathlib
print('begun', flush=True)
while not pathlib.Path({file!r}).exists():
    pass
print('while it was away', flush=True)
kept = 'kept'"""


def client_of(*cells: str) -> NotebookClient:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    manager = "jupyter_server.gateway.managers.GatewayKernelManager"
    return NotebookClient(notebook, kernel_manager_class=manager, allow_errors=True)


def outputs(client: NotebookClient) -> list[list[dict[str, Any]]]:
    return [cell.outputs for cell in client.nb.cells]


async def steer() -> list[list[dict[str, Any]]]:
    """Interrupt a cell without end, and restart the kernel, by way of the manager."""
    client = client_of(ENDLESS, "x = 1", "print('again')\nx")
    endless, setting, asking = client.nb.cells
    async with client.async_setup_kernel(), asyncio.TaskGroup() as tasks:
        manager: Any = client.km
        running = tasks.create_task(client.async_execute_cell(endless, 0))
        while not endless.outputs:
            await asyncio.sleep(0)
        await manager.interrupt_kernel()
        await running
        await client.async_execute_cell(setting, 1)
        await manager.restart_kernel()
        await client.async_execute_cell(asking, 2)
    return outputs(client)


async def lose(file: str) -> dict[str, Any]:
    """Lose the connection in the first cell, and go on with another client of the same manager."""
    client = client_of(CUT.format(file=file), "print(kept)")
    cut, asking = client.nb.cells
    failures: list[str] = []

    async def fail() -> None:
        try:
            await client.async_execute_cell(cut, 0)
        except RuntimeError as error:
            failures.append(str(error))

    async with client.async_setup_kernel():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            while not cut.outputs:
                await asyncio.sleep(0)
            say("begun")
        say("lost")
        lost: Any = client.kc
        lost.stop_channels()
        await client.async_start_new_kernel_client()
        await client.async_execute_cell(asking, 1)
    return {"failures": failures, "cells": outputs(client)}


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")
    sys.stdout.flush()


def executed(*cells: str) -> list[list[dict[str, Any]]]:
    client = client_of(*cells)
    client.execute()
    return outputs(client)


def main(file: str | None = None) -> dict[str, Any]:
    if file is None:
        return {"whole": executed(*CELLS), "steered": asyncio.run(steer())}
    return {"lost": asyncio.run(lose(file)), "anew": executed("print(kept)")}


if __name__ == "__main__":
    say(json.dumps(main(*sys.argv[1:])))

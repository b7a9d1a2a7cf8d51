"""Runs a notebook with nbclient on a kernel behind a gateway, as papermill does.

The gateway is named by ``JUPYTER_GATEWAY_URL``. Prints what came of it as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

CELLS = [
    "print('hello ☃')\n6 * 7",
    "from IPython.display import display, HTML\ndisplay(HTML('<b>ü</b>'))",
    "1 / 0",
]
ENDLESS = "import time\nprint('begun', end='', flush=True)\nwhile True: time.sleep(0.05)"


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


if __name__ == "__main__":
    whole = client_of(*CELLS)
    whole.execute()
    seen = {"whole": outputs(whole), "steered": asyncio.run(steer())}
    sys.stdout.write("\n" + json.dumps(seen) + "\n")

"""Uses jupyter_kernel_client as its users do, and prints what came of it as one JSON object.

It blocks and has threads of its own, so it gets a process of its own.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_kernel_client import JupyterKernelClient


def use(server_url: str, token: str, folder: str) -> None:
    [model] = JupyterKernelClient(server_url=server_url, token=token).list_kernels()
    kernel = JupyterKernelClient(server_url=server_url, token=token)
    kernel.start(name="any")
    rich = "from IPython.display import display, HTML; display(HTML('<b>ü</b>'))"
    seen: dict[str, Any] = {
        "same": kernel.id == model["id"],
        "last_activity": str(kernel.last_activity),  # parsed strictly
        "language": (kernel.kernel_info or {})["language_info"]["name"],
        "result": kernel.execute("print('hello ☃'); 6 * 7"),
        "rich": kernel.execute(rich),
        "error": kernel.execute("1 / 0"),
        "input": kernel.execute("print('hello', input('who? '))", allow_stdin=True),
        "variable": kernel.execute("x + 1", variables={"x": 41}),
        "variables": [one["name"] for one in kernel.list_variables()],
        "alive": kernel.is_alive(),
        "interrupt": interrupted(kernel, Path(folder)),
    }
    kernel.restart()
    # Over the same websocket, to the other kernel.
    seen["restart"] = kernel.execute("print('again'); x")
    kernel.execute("y = 1")
    kernel.stop()  # its listening thread may sleep ten seconds through that
    other = JupyterKernelClient(server_url=server_url, token=token, kernel_id=model["id"])
    other.start()
    seen["stop"] = other.execute("print('still here', y)")
    # Told before the other stops, which would take as long.
    sys.stdout.write("\n" + json.dumps(seen) + "\n")
    sys.stdout.flush()


def interrupted(kernel: JupyterKernelClient, folder: Path) -> dict[str, Any]:
    """What comes of a cell without end, interrupted once it runs."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    begin = f"import pathlib; pathlib.Path({str(fifo)!r}).write_text('begun')\n"
    outcome: dict[str, Any] = {}

    def run() -> None:
        outcome.update(kernel.execute(begin + "import signal\nsignal.pause()"))

    running = threading.Thread(target=run)
    running.start()
    assert fifo.read_text() == "begun"
    kernel.interrupt()
    running.join()
    return outcome


if __name__ == "__main__":
    sys.stdin = io.StringIO("anna\n")  # what the user types at the prompt
    use(*sys.argv[1:])

"""Has jupyter_kernel_client lose its connection in a cell, and prints what came of it as JSON.

It says "begun" when the connection is to be cut. The cell goes on when a file is there, whose path
is the third argument; the fourth is the client's ``reconnect_interval``.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

from jupyter_kernel_client import JupyterKernelClient

CUT = """\
import pathlib
print('begun', flush=True)
while not pathlib.Path({file!r}).exists():
    pass
print('while it was away', flush=True)
kept = {kept}"""


def use(server_url: str, token: str, file: str, interval: str) -> dict[str, Any]:
    kwargs = {"reconnect_interval": int(interval)}
    kernel = JupyterKernelClient(server_url=server_url, token=token, client_kwargs=kwargs)
    kernel.start()
    if kwargs["reconnect_interval"]:
        return reconnect(kernel, CUT.format(file=file, kept="input('who? ')"))
    seen = lose(kernel, CUT.format(file=file, kept="'kept'"))
    seen |= start_another(server_url, token)
    kernel.start()
    return seen | {"started again": failure(lambda: kernel.execute("1"))}


def reconnect(kernel: JupyterKernelClient, code: str) -> dict[str, Any]:
    """Run through the cut and be asked for input meanwhile."""
    heard: list[str] = []
    reply = kernel.execute_interactive(code, allow_stdin=True, output_hook=teller(heard))
    return {
        "heard": heard,
        "status": reply["content"]["status"],
        "kept": kernel.execute("print(kept)"),
    }


def lose(kernel: JupyterKernelClient, code: str) -> dict[str, Any]:
    """Run into the cut, and on until the kernel is through with the cell."""
    heard: list[str] = []

    def run() -> None:
        # It waits for output as long as it is told, whether its connection is there or not.
        kernel.execute_interactive(code, output_hook=teller(heard), timeout=5)

    seen = {"cell": failure(run), "next": failure(lambda: kernel.execute("1"))}
    while kernel.list_kernels()[0]["execution_state"] != "idle":
        pass
    return {"heard": heard, **seen}


def start_another(server_url: str, token: str) -> dict[str, Any]:
    """Attach another client to the kernel that is there, and read all that comes to it."""
    [model] = JupyterKernelClient(server_url=server_url, token=token).list_kernels()
    kernel = JupyterKernelClient(server_url=server_url, token=token, kernel_id=model["id"])
    kernel.start()
    client = kernel._manager.client
    asked = client.execute("print(kept)")
    printed: list[str] = []
    state, parent = "", ""
    while (state, parent) != ("idle", asked):
        message = client.get_iopub_msg()
        # The kernel itself may have something to say, on stderr.
        if message["content"].get("name") == "stdout":
            printed.append(message["content"]["text"])
        state = message["content"].get("execution_state", "")
        parent = message["parent_header"].get("msg_id", "")
    return {"another": printed, "executed": kernel.execute("kept")}


def teller(heard: list[str]) -> Callable[[dict[str, Any]], None]:
    known: set[str] = set()

    def hook(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            # What was on its way when the connection was cut may come twice.
            if message["header"]["msg_id"] not in known:
                heard.append(message["content"]["text"])
            known.add(message["header"]["msg_id"])
            say(message["content"]["text"])

    return hook


def failure(call: Callable[[], object]) -> str:
    """The name of what it raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is printed
        return type(error).__name__
    return ""


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.stdin = io.StringIO("anna\n")  # what the user types at the prompt
    say(json.dumps(use(*sys.argv[1:])))

"""Cells that a test controls: they print that they have begun, and end when the test lets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.client import Client, Received, execute_request

ENDLESS = "import signal\nprint('begun', end='', flush=True)\nsignal.pause()"
"""A cell that prints that it has begun, and sleeps until a signal ends it."""

ROOMY = """
iopub = get_ipython().kernel.iopub_thread
iopub.schedule(lambda: setattr(iopub.socket, "sndhwm", 0))
"""
"""Lets ipykernel keep all output that has yet to be read. By itself it keeps a thousand messages
and drops the others: w2z cannot tell, and does not get the processor often enough everywhere.
"""

_PYTHON = """
import pathlib, time
{first}
print("begun", flush=True)
while not pathlib.Path({go_on!r}).exists():
    time.sleep(0.01)
    if pathlib.Path({speak!r}).exists():
        print("still here", flush=True)
{then}
"""
_R = """
{first}
cat("begun\\n"); flush.console()
while (!file.exists("{go_on}")) Sys.sleep(0.01)
{then}
"""


class Held:
    """A cell that runs until :meth:`let_go`, or until it is interrupted.

    ``first`` is the code that it runs before it prints that it has begun, ``then`` the code that it
    runs at its end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        first: str = "",
        then: str = "",
        language: str = "python",
        name: str = "held",
    ) -> None:
        self._go_on, self._speak = folder / f"{name}-go-on", folder / f"{name}-speak"
        template = _R if language == "R" else _PYTHON
        files = {"go_on": str(self._go_on), "speak": str(self._speak)}
        self.code = template.format(**files, first=first, then=then)

    async def begin(self, client: Client, **more: Any) -> dict[str, Any]:
        """Send the cell and wait until it has begun. Returns the request's header."""
        asked = await client.send(execute_request(self.code, **more))
        await said(client, asked, "begun")
        return asked

    def speak(self) -> None:
        """Let the cell print "still here" again and again from now on; a cell in R cannot."""
        self._speak.touch()

    def let_go(self) -> None:
        """Let the cell end."""
        self._go_on.touch()


async def said(client: Client, asked: dict[str, Any], text: str) -> None:
    """Wait until the cell has printed ``text``."""
    while text not in (await client.until("stream", asked)).content["text"]:
        pass


async def everything(client: Client, code: str) -> list[Received]:
    """Run code; return all messages until its reply and idle, also those for other requests."""
    asked = await client.send(execute_request(code))
    seen, awaited = [], {"execute_reply", "idle"}
    while awaited:
        seen.append(await client.recv())
        if seen[-1].parent_header.get("msg_id") == asked["msg_id"]:
            awaited -= {seen[-1].msg_type, seen[-1].content.get("execution_state", "")}
    return seen

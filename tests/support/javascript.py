"""Programs in Node.js that use published clients, and say what they see in a JSON line each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import TOKEN, Process, W2z, running

NODE = Path(__file__).parents[1] / "node"

NEW, OLD = "@jupyterlab/services", "services6"
"""JupyterLab's own client as it is published: the newest, and that of JupyterLab 3."""


@dataclass
class Script:
    """One that runs."""

    process: Process

    async def saw(self, what: str) -> dict[str, Any]:
        """Wait until it says what it saw of this."""
        line = await self.process.line(rf'^{{"saw":"{what}".*')
        found: dict[str, Any] = json.loads(line[0])
        del found["saw"]
        return found

    async def ended(self) -> None:
        """Wait for its end, which has to be a good one."""
        assert await self.process.end() == 0, self.process.output


@asynccontextmanager
async def script(
    name: str, package: str, served: W2z, wire: str, *more: str
) -> AsyncIterator[Script]:
    """A program of tests/node that uses ``package`` as a client of w2z."""
    command = ("node", str(NODE / name), package, served.url, TOKEN, wire, *more)
    async with running(*command) as process:
        yield Script(process)

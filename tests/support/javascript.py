"""Node.js programs that use published clients, and print a JSON line for each thing they see."""

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
"""The published packages of JupyterLab's own client: the newest, and that of JupyterLab 3."""


@dataclass
class Script:
    """A program that runs."""

    process: Process

    async def saw(self, what: str) -> dict[str, Any]:
        """Wait until the program prints that it saw ``what``; return the rest of that line."""
        line = await self.process.line(rf'^{{"saw":"{what}".*')
        found: dict[str, Any] = json.loads(line[0])
        del found["saw"]
        return found

    async def ended(self) -> None:
        """Wait until the program ends, which has to be with exit code 0."""
        assert await self.process.end() == 0, self.process.output


@asynccontextmanager
async def script(
    name: str, package: str, served: W2z, wire: str, *more: str
) -> AsyncIterator[Script]:
    """Run a program of tests/node that uses ``package`` as a client of w2z."""
    command = ("node", str(NODE / name), package, served.url, TOKEN, wire, *more)
    async with running(*command) as process:
        yield Script(process)

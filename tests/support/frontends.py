"""Unmodified frontends of Jupyter, on kernelspecs that ``w2z kernelspec install`` wrote."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.client import Client, open_client
from tests.support.processes import TOKEN, Process, listening, running
from tests.support.rest import Rest, open_rest

ITS_TOKEN = "the-token-of-the-jupyter-server"


@dataclass
class Desk:
    """Directories of a user of their own, and the environment that leads there."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """The variables that lead there."""
        there = {name: str(self.folder / name.lower()) for name in ("HOME", "JUPYTER_DATA_DIR")}
        more = {name: str(self.folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "TMPDIR")}
        runtime = {"JUPYTER_RUNTIME_DIR": str(self.folder / "runtime")}
        config = {"XDG_CONFIG_HOME": str(self.folder / "config"), "LC_ALL": "C.UTF-8"}
        return {**there, **more, **runtime, **config}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program there: without a token."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("W2Z_", "JUPYTER_"))}
        return inherited | self.variables

    def make(self) -> None:
        """Make the directories."""
        for name in ("home", "tmpdir"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def made(self, folder: str) -> list[Path]:
        """What is in one of the directories."""
        return list((self.folder / folder).iterdir())

    async def w2z(self, *arguments: str, code: int = 0, token: str | None = TOKEN) -> str:
        """Run a command of w2z to its end; return what it printed."""
        secret = {} if token is None else {"W2Z_TOKEN": token}
        command = [sys.executable, "-X", "dev", "-m", "w2z", *arguments]
        async with running(*command, env=self.environment | secret) as process:
            assert await process.end() == code, process.output
            await process.line(r"\(end of output\)")
        return "\n".join(process.lines[:-1])

    async def install(self, name: str, url: str, *options: str) -> None:
        """Install a kernelspec of the kernel at ``url``."""
        await self.w2z("kernelspec", "install", name, "--url", url, *options)

    @asynccontextmanager
    async def run(self, *command: str, **more: Any) -> AsyncIterator[Process]:
        """Run a Python program there."""
        given: Mapping[str, str] = more.pop("env", {})
        async with running(sys.executable, *command, env={**self.environment, **given}) as process:
            yield process


def desk(folder: Path) -> Desk:
    """Make a user's directories in ``folder``."""
    made = Desk(folder / "desk")
    made.make()
    return made


@asynccontextmanager
async def jupyter_server(
    here: Desk, name: str, manager: str | None = None, **env: str
) -> AsyncIterator[tuple[str, Rest]]:
    """Run a Jupyter server whose default kernelspec is ``name``; gives its URL and its REST API.

    ``manager`` is the class that manages a kernel there.
    """
    options = {
        "port": 0,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.root_dir": here.folder / "home",
        "IdentityProvider.token": ITS_TOKEN,
        "AsyncMappingKernelManager.default_kernel_name": name,
        "KernelRestarter.time_to_dead": 0.5,
    }
    if manager is not None:
        options["AsyncMappingKernelManager.kernel_manager_class"] = manager
    given = [f"--{option}={value}" for option, value in options.items()]
    command = ("-m", "jupyter_server", "--no-browser", "--allow-root", *given)
    async with here.run(*command, env=env) as process:
        found = await process.line(r"(http://127.0.0.1:(\d+)/)\?token")
        await listening(int(found[2]))
        async with open_rest(found[1], f"Authorization: token {ITS_TOKEN}") as rest:
            yield found[1], rest
        await process.end(15)


@asynccontextmanager
async def client_of(url: str, kernel_id: str) -> AsyncIterator[Client]:
    """Open a websocket to a kernel of that server."""
    there = url.replace("http", "ws", 1)
    query = f"token={ITS_TOKEN}&session_id=anna"
    async with open_client(f"{there}api/kernels/{kernel_id}/channels?{query}", "v1") as made:
        yield made

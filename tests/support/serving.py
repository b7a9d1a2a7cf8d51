"""w2z inside the test's own event loop, where a test sees its tasks, sockets and warnings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from w2z.bridge.bridge import Bridge
from w2z.kernel import connection_file
from w2z.kernel.keeping.attached import Attached
from w2z.kernel.process.specs import InstalledSpecs
from w2z.serve.budget import ShutdownBudget
from w2z.serve.build import attached
from w2z.server.access.policy import AccessPolicy
from w2z.server.access.token import TokenFile, token_source
from w2z.server.app import App
from w2z.server.connections import Connections
from w2z.server.door import Door
from w2z.server.listener import Listener
from w2z.settings import Settings
from w2z.timing import Timing

TOKEN = "a-token-for-tests"

QUICK = Timing(left_alone=0, first_repeat=0.05)
"""The durations of production, except that kernels are asked again soon."""


@dataclass
class Served:
    """A w2z that runs: where it listens, its parts and its settings."""

    bridge: Bridge
    keeper: Attached
    host: str
    port: int
    stopped: asyncio.Event
    settings: Settings
    connections: Connections
    door: Door

    def url(self, session_id: str | None = None, path: str = "/channels") -> str:
        session = f"&session_id={session_id}" if session_id else ""
        return f"ws://{self.host}:{self.port}{path}?token={TOKEN}{session}"


@asynccontextmanager
async def serving(path: Path, *, timing: Timing = QUICK, **settings: Any) -> AsyncIterator[Served]:
    """Serve the kernel of a connection file on a free port.

    At the end, clients get ``closes_within`` seconds to close; by default as many as in production.
    """
    closes_within = settings.pop("closes_within", None)
    given = {"host": "127.0.0.1", "port": 0, "token": TOKEN, **settings}
    if "token_file" in settings:
        del given["token"]
    chosen = Settings(connection_file=path, **given)
    info = connection_file.read(path)
    token, _ = token_source(chosen)
    gate = AccessPolicy.of(chosen, token)
    stopped = asyncio.Event()
    specs = InstalledSpecs()
    async with (
        Bridge(chosen, info, chosen.kernel_id or "the-kernel", timing) as bridge,
        asyncio.TaskGroup() as tasks,
    ):
        keeper = attached(chosen, bridge, path, info, specs)
        watching = tasks.create_task(keeper.run())
        try:
            app = App(chosen, bridge, keeper, gate, stopped.set, specs=specs)
            seconds = ShutdownBudget.of(chosen).clients if closes_within is None else closes_within
            async with AsyncExitStack() as stack:
                listener = await stack.enter_async_context(Listener(app, closes_within=seconds))
                if isinstance(token, TokenFile):
                    await stack.enter_async_context(token.watched(app.close_revoked))
                address, connections = listener.address, listener.connections
                yield Served(bridge, keeper, *address, stopped, chosen, connections, listener.door)
        finally:
            watching.cancel()


def retime(served: Served, **changes: float) -> None:
    """Change durations of the kernel's timing from now on."""
    kernel = served.bridge.kernel
    kernel.timing = replace(kernel.timing, **changes)

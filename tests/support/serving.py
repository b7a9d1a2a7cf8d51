"""w2z inside the test's own event loop: tasks, sockets and warnings are the test's to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.timing import Timing, applied
from w2z import connection_file
from w2z.bridge import Bridge
from w2z.kernel.attached import Attached
from w2z.server.app import App
from w2z.server.auth import Gate
from w2z.server.keepers import attached
from w2z.server.listener import Listener
from w2z.server.token import token_source
from w2z.settings import Settings

TOKEN = "a-token-for-tests"


@dataclass
class Served:
    """Where w2z listens, and the bridge behind it."""

    bridge: Bridge
    keeper: Attached
    host: str
    port: int
    stopped: asyncio.Event

    def url(self, session_id: str | None = None, path: str = "/channels") -> str:
        session = f"&session_id={session_id}" if session_id else ""
        return f"ws://{self.host}:{self.port}{path}?token={TOKEN}{session}"


@asynccontextmanager
async def serving(
    path: Path, *, timing: Timing | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Serve the kernel of a connection file on a free port."""
    given = {"host": "127.0.0.1", "port": 0, "token": TOKEN, **settings}
    chosen = Settings(connection_file=path, **given)
    info = connection_file.read(path)
    token, _ = token_source(chosen)
    gate = Gate(token, chosen.allow_origin, chosen.strict_origin)
    stopped = asyncio.Event()
    with applied(timing or Timing()):
        async with (
            Bridge(chosen, info, chosen.kernel_id or "the-kernel") as bridge,
            asyncio.TaskGroup() as tasks,
        ):
            keeper = attached(chosen, bridge, path, info)
            watching = tasks.create_task(keeper.run())
            try:
                async with Listener(App(chosen, bridge, keeper, gate, stopped.set)) as listener:
                    yield Served(bridge, keeper, *listener.address, stopped)
            finally:
                watching.cancel()

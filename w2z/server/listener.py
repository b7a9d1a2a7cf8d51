"""The TCP port: accepts connections, and closes all of them when w2z ends."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from types import TracebackType
from typing import Self

from w2z.server.addresses import BACKLOG, listening_sockets
from w2z.server.app import App
from w2z.server.connections import Connection, Connections
from w2z.server.http_connection import HttpConnection


class Listener:
    """Accepts connections. An async context manager that listens while it is entered.

    ``address`` is then the first address that w2z listens on, and the port, which all addresses
    share. On exit, connections have ``closes_within`` seconds to close; then they are cut.
    """

    def __init__(self, app: App, *, closes_within: float) -> None:
        self._app = app
        self._closes_within = closes_within
        self._stack = contextlib.AsyncExitStack()
        self.address: tuple[str, int]
        self.connections: Connections

    async def __aenter__(self) -> Self:
        settings = self._app.settings
        sockets = await listening_sockets(settings.host, settings.port)
        # The stack undoes in reverse: stop accepting, close the connections, wait for their tasks.
        for listening in sockets:
            self._stack.callback(listening.close)
        self.address = sockets[0].getsockname()[:2]
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self.connections = Connections(tasks, self._app.bridge.reports)
        self._stack.push_async_callback(self.connections.close, self._closes_within)
        for listening in sockets:
            # asyncio sets TCP_NODELAY on every connection, so no small write waits for a TCP ACK.
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self.connections, partial(HttpConnection, self._app)),
                sock=listening,
                backlog=BACKLOG,
            )
            self._stack.callback(server.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

"""The TCP port, and the end of every connection on it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from types import TracebackType
from typing import Self

from w2z.errors import ListenError
from w2z.server.app import App
from w2z.server.connections import Connection, Connections
from w2z.server.http_connection import HttpConnection

BACKLOG = 1024


class Listener:
    """Accepts connections. An async context manager: entered, it listens.

    At its end connections have ``closes_within`` seconds to close; then they are cut.
    """

    def __init__(self, app: App, *, closes_within: float) -> None:
        self._app = app
        self._closes_within = closes_within
        self._stack = contextlib.AsyncExitStack()
        self.connections: Connections

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port it listens on; the port is real where 0 was asked for."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def __aenter__(self) -> Self:
        settings = self._app.settings
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self.connections = Connections(tasks, self._app.bridge.reports)
        loop = asyncio.get_running_loop()
        try:
            # asyncio sets TCP_NODELAY on every connection: a reply never waits for an ACK.
            self._server = await loop.create_server(
                lambda: Connection(self.connections, partial(HttpConnection, self._app)),
                settings.host,
                settings.port,
                family=socket.AF_UNSPEC,
                backlog=BACKLOG,
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ListenError(
                f"cannot listen on {settings.host} port {settings.port}: {reason}"
            ) from None
        self._stack.push_async_callback(self.connections.close, self._closes_within)
        self._stack.callback(self._server.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

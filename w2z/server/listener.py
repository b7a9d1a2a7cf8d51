"""The TCP port and every connection on it, up to the last."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Protocol, Self

from w2z.errors import ListenError
from w2z.server.app import App
from w2z.server.http import HttpConnection

SHUTDOWN_TIMEOUT = 3.0
"""Seconds clients have to close at the end; with the rest of a shutdown well below the ten that
container platforms grant.
"""

BACKLOG = 1024


class Connection(Protocol):
    """An open TCP connection, HTTP or websocket."""

    def shutdown(self) -> None:
        """End it the way its protocol ends."""

    def abort(self) -> None:
        """Cut it."""


class Connections:
    """The open connections, and the tasks that answer their requests."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.closing = False
        self._open: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._tasks = tasks

    def add(self, connection: Connection) -> None:
        """Register a connection; one that comes while closing is sent away."""
        self._open.add(connection)
        self._all_closed.clear()
        if self.closing:
            connection.shutdown()

    def discard(self, connection: Connection) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        if not self._open:
            self._all_closed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until the listener closes at the latest."""
        self._tasks.create_task(work)

    async def close(self) -> None:
        """End every connection, with force when :data:`SHUTDOWN_TIMEOUT` is over."""
        self.closing = True
        for connection in list(self._open):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                await self._all_closed.wait()
        for connection in list(self._open):
            connection.abort()
        await self._all_closed.wait()

    def __len__(self) -> int:
        return len(self._open)


class Listener:
    """Accepts connections. An async context manager: entered, it listens."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stack = contextlib.AsyncExitStack()

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port it listens on; the port is real where 0 was asked for."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def __aenter__(self) -> Self:
        settings = self._app.settings
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        connections = Connections(tasks)
        loop = asyncio.get_running_loop()
        try:
            # asyncio sets TCP_NODELAY on every connection: a reply never waits for an ACK.
            self._server = await loop.create_server(
                lambda: HttpConnection(self._app, connections),
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
        self._stack.push_async_callback(connections.close)
        self._stack.callback(self._server.close)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

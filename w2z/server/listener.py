"""The TCP port: accepts connections, and closes all of them when w2z ends."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self

from w2z.reports import Reports
from w2z.server.addresses import BACKLOG, listening_sockets
from w2z.server.app import App
from w2z.server.connections import Connection, Connections
from w2z.server.door import Door
from w2z.server.http_connection import HttpConnection

_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

ACCEPTED_AT_ONCE = 16
"""Connections that are accepted in one turn of the event loop. So many file descriptors may be in
use for connections that have no place yet; and asyncio reports so many errors when there are none
left.
"""


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
        self.door: Door

    async def __aenter__(self) -> Self:
        settings = self._app.settings
        sockets = await listening_sockets(settings.host, settings.port)
        # The stack undoes in reverse: stop accepting, close the connections, wait for their tasks.
        for listening in sockets:
            self._stack.callback(listening.close)
        self.address = sockets[0].getsockname()[:2]
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        reports = self._app.bridge.reports
        self.door = Door(settings, reports)
        self.connections = Connections(tasks, reports, self.door.leave)
        self._stack.push_async_callback(self.connections.close, self._closes_within)
        self._stack.enter_context(_quiet_about_files(reports))
        for listening in sockets:
            # asyncio sets TCP_NODELAY, so no small write waits for a TCP ACK.
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self.connections, partial(HttpConnection, self._app, self.door)),
                sock=listening,
                backlog=ACCEPTED_AT_ONCE,
            )
            self._stack.callback(server.close)
            # For asyncio one number is both: how many may wait, and how many it takes at once.
            listening.listen(BACKLOG)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)


@contextlib.contextmanager
def _quiet_about_files(reports: Reports) -> Iterator[None]:
    """Report connections that find no file descriptor; asyncio would log a traceback for each.

    It tries again a second later by itself.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _NO_FILES:
            reports.no_files()
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)

"""The open TCP connections, and the net under each of them.

Rules of this module:

- A :class:`Connection` is the only asyncio protocol of its transport, from the first byte to the
  last. What it speaks just now is its :class:`Stage`: HTTP first, then perhaps websocket.
- Every way into a stage (the event loop, a timer, the task of a request, the bridge) leads through
  the connection's :class:`Boundary`. What is raised behind it ends this connection alone.
- The log gets the kind of such an error and the lines of code it passed, never its message: that
  may quote the peer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Protocol, cast

from w2z.reports import Reports
from w2z.server.backpressure import Reading

CANCEL_AGAIN = 0.05
"""Seconds after which work that was cancelled and goes on is cancelled again."""


class Boundary:
    """A context manager: an error raised inside is logged and goes no further.

    ``on_error`` is called instead, with the error. It has to be safe to call at any time.
    Cancellation and the interpreter's own end (:class:`BaseException`) pass.
    """

    def __init__(self, reports: Reports, on_error: Callable[[Exception], None]) -> None:
        self._reports = reports
        self._on_error = on_error

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._reports.defect(error)
        self._on_error(error)
        return True


class Stage(Protocol):
    """What a connection speaks. Its methods are called behind the connection's boundary."""

    def begin(self) -> None:
        """The transport is there; :meth:`pause_writing` may have been called already."""

    def data_received(self, data: bytes) -> None:
        """The peer sent bytes."""

    def eof_received(self) -> bool:
        """The peer sends no more; returns whether the write side stays open."""

    def connection_lost(self) -> None:
        """Nothing can be sent or received any more. Called once, last."""

    def pause_writing(self) -> None:
        """The transport holds more than its high-water mark."""

    def resume_writing(self) -> None:
        """The transport takes data again."""

    def shutdown(self) -> None:
        """End the connection the way this protocol ends."""

    def fail(self) -> None:
        """An error was raised in this stage: tell the peer, as far as that is possible, and end."""


class Connection(asyncio.Protocol):
    """One TCP connection, registered in ``connections`` while it lasts.

    ``first`` makes the first stage.
    """

    transport: asyncio.Transport
    reading: Reading

    def __init__(self, connections: Connections, first: Callable[[Connection], Stage]) -> None:
        self.connections = connections
        self.boundary = Boundary(connections.reports, self._on_error)
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._is_full = False
        self._first = first
        self._stage: Stage | None = None

    # What stages use.

    def become(self, stage: Stage) -> None:
        """Speak ``stage`` from now on. What the transport said to the one before holds for it."""
        self.set_timer(None)
        self._stage = stage
        if self._is_full:
            stage.pause_writing()
        stage.begin()

    def set_timer(self, seconds: float | None, action: Callable[[], None] = lambda: None) -> None:
        """Call ``action`` after so many seconds, in place of what the timer was set to before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer, action)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` beside this connection, until the listener closes at the latest."""
        self.connections.spawn(self._contained(work))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.reading = Reading(self.transport)
        with self.boundary:
            self.connections.add(self)
            self.become(self._first(self))
            if self.connections.closing:
                self.shutdown()

    def data_received(self, data: bytes) -> None:
        with self.boundary:
            if self._stage is not None:
                self._stage.data_received(data)

    def eof_received(self) -> bool:
        with self.boundary:
            return self._stage is not None and self._stage.eof_received()
        return False

    def pause_writing(self) -> None:
        self._is_full = True
        with self.boundary:
            if self._stage is not None:
                self._stage.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        with self.boundary:
            if self._stage is not None:
                self._stage.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        stage, self._stage = self._stage, None
        try:
            with self.boundary:
                if stage is not None:
                    stage.connection_lost()
        finally:
            self.set_timer(None)
            self.connections.discard(self)

    # Connections

    def shutdown(self) -> None:
        """End it the way its protocol ends."""
        with self.boundary:
            if self._stage is not None:
                self._stage.shutdown()

    def abort(self) -> None:
        """Cut it."""
        self.transport.abort()

    # Errors

    def _on_timer(self, action: Callable[[], None]) -> None:
        self._timer = None
        with self.boundary:
            action()

    async def _contained(self, work: Coroutine[Any, Any, None]) -> None:
        with self.boundary:
            await work

    def _on_error(self, error: Exception) -> None:
        """Let the stage say good-bye, once; a second error cuts the connection."""
        if self._has_failed or self._stage is None:
            self.transport.abort()
            return
        self._has_failed = True
        with self.boundary:
            self._stage.fail()


class Connections:
    """The open connections, and the tasks that answer their requests."""

    def __init__(self, tasks: asyncio.TaskGroup, reports: Reports) -> None:
        self.closing = False
        self.reports = reports
        self._open: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()

    def add(self, connection: Connection) -> None:
        """Register a connection."""
        self._open.add(connection)
        self._all_closed.clear()

    def discard(self, connection: Connection) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        if not self._open:
            self._all_closed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` until the listener closes at the latest; it raises nothing."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, seconds: float) -> None:
        """End every connection, with force when ``seconds`` are over.

        After that nobody is there to be answered: work that still goes on is cancelled.
        """
        self.closing = True
        for connection in self:
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            # Not asyncio.timeout: before Python 3.11.3 it is of no use to a task that is cancelled.
            await asyncio.wait_for(self._all_closed.wait(), seconds)
        for connection in self:
            connection.abort()
        await self._all_closed.wait()
        while self._running:
            for task in self._running:
                task.cancel()
            # Work that catches its cancellation is cancelled again.
            await asyncio.wait(self._running, timeout=CANCEL_AGAIN)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open))

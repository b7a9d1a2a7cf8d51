"""The open TCP connections, each isolated from errors in the others.

Rules of this module:

- A :class:`Connection` is the only asyncio protocol of its transport, from the first byte to the
  last. Its :class:`Stage` is the protocol it speaks now: HTTP first, then perhaps websocket.
- Every call into a stage (by the event loop, a timer, the task of a request, the bridge) passes the
  connection's :class:`Boundary`. An error raised inside ends this connection alone.
- The log shows the type of such an error and the lines of code it passed, but never its message,
  because the message may quote the peer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Protocol, cast

from w2z.reports import Reports
from w2z.server.backpressure import Reading, Reason

CANCEL_AGAIN = 0.05
"""Seconds after which a task that survived its cancellation is cancelled again."""

MUCH = 2**17
"""Bytes of one read after which others are served first. While a read fills its buffer, 250 kB,
uvloop reads up to 32 times in one step: work for a second.
"""


class Boundary:
    """A context manager that logs an error raised inside, and suppresses it.

    ``on_error`` is then called with the error. It has to be safe to call at any time. Cancellation
    and the interpreter's own end (any other :class:`BaseException`) are raised on.
    """

    def __init__(self, reports: Reports, on_error: Callable[[Exception], None]) -> None:
        self._reports = reports
        self._on_error = on_error

    def __enter__(self) -> None:
        """Do nothing: all work is in the exit."""

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
    """The protocol a connection speaks now. Its methods run inside the connection's boundary."""

    def begin(self) -> None:
        """Called when the stage gets the transport; only :meth:`pause_writing` may come before."""

    def data_received(self, data: bytes) -> None:
        """Called when bytes of the peer arrived."""

    def eof_received(self) -> bool:
        """Called when the peer closed its side; return whether w2z's side stays open."""

    def connection_lost(self) -> None:
        """Called once, last: nothing can be sent or received any more."""

    def pause_writing(self) -> None:
        """Called when the transport holds more unsent bytes than its high-water mark."""

    def resume_writing(self) -> None:
        """Called when the transport takes data again, after :meth:`pause_writing`."""

    def shutdown(self) -> None:
        """End the connection in the way of this protocol, because w2z ends."""

    def fail(self) -> None:
        """Called after an error in this stage: tell the peer, as far as possible, and end."""


class Connection(asyncio.Protocol):
    """One TCP connection, registered in ``connections`` while it is open.

    ``first`` makes its first stage.
    """

    transport: asyncio.Transport
    reading: Reading
    peer: str

    def __init__(self, connections: Connections, first: Callable[[Connection], Stage]) -> None:
        self.connections = connections
        self.boundary = Boundary(connections.reports, self._on_error)
        self._timer: asyncio.TimerHandle | None = None
        self.received = 0
        """Bytes that came from the peer."""
        self._has_failed = False
        self._is_full = False
        self._first = first
        self._stage: Stage | None = None

    # For stages.

    def become(self, stage: Stage) -> None:
        """Switch to ``stage``, which inherits a pause of writing, but not the timer."""
        self.set_timer(None)
        self._stage = stage
        if self._is_full:
            stage.pause_writing()
        stage.begin()

    def set_timer(self, seconds: float | None, action: Callable[[], None] = lambda: None) -> None:
        """Call ``action`` after ``seconds``, instead of the action set before; ``None``: never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer, action)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` inside the boundary. It may outlive the connection, not the listener."""
        self.connections.spawn(self._contained(work))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.peer = peer_of(self.transport)
        self.reading = Reading(self.transport)
        with self.boundary:
            self.connections.add(self)
            self.become(self._first(self))
            # Accepted just before the port was closed: `Connections.close` has not seen it.
            if self.connections.closing:
                self.shutdown()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        with self.boundary:
            if self._stage is not None:
                self._stage.data_received(data)
            if len(data) >= MUCH:
                self.reading.stop(Reason.SENT_MUCH)
                asyncio.get_running_loop().call_soon(self._read_on)

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

    # For Connections.

    def shutdown(self) -> None:
        """End the connection in the way of its present protocol."""
        with self.boundary:
            if self._stage is not None:
                self._stage.shutdown()

    def abort(self) -> None:
        """Cut the connection at once."""
        self.transport.abort()

    def _read_on(self) -> None:
        with self.boundary:
            if not self.transport.is_closing():
                self.reading.go_on(Reason.SENT_MUCH)

    # Errors

    def _on_timer(self, action: Callable[[], None]) -> None:
        self._timer = None
        with self.boundary:
            action()

    async def _contained(self, work: Coroutine[Any, Any, None]) -> None:
        with self.boundary:
            await work

    def _on_error(self, error: Exception) -> None:
        """Let the stage end the connection after its first error; cut it after a second."""
        if self._has_failed or self._stage is None:
            self.transport.abort()
            return
        self._has_failed = True
        with self.boundary:
            self._stage.fail()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other end, as ``HOST:PORT``; ``local`` if it has none."""
    address = transport.get_extra_info("peername")
    if not isinstance(address, tuple):
        return "local"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Connections:
    """The open connections, and the tasks that answer their requests.

    ``on_closed`` is called with each connection that is closed.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        reports: Reports,
        on_closed: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        self.closing = False
        self.reports = reports
        self._on_closed = on_closed
        self._open: set[Connection] = set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()

    def add(self, connection: Connection) -> None:
        """Register a connection that opened."""
        self._open.add(connection)
        self._all_closed.clear()

    def discard(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self._open.discard(connection)
        self._on_closed(connection)
        if not self._open:
            self._all_closed.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, which must raise nothing; :meth:`close` cancels it if it still runs."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self, seconds: float) -> None:
        """End every connection; cut those that are still open after ``seconds``.

        Nobody is left to answer then, so work of :meth:`spawn` that still runs is cancelled.
        """
        self.closing = True
        for connection in self:
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            # Not asyncio.timeout: before Python 3.11.3 it fails in a task that is being cancelled.
            await asyncio.wait_for(self._all_closed.wait(), seconds)
        for connection in self:
            connection.abort()
        # The event loop calls each connection_lost in its next turn.
        await self._all_closed.wait()
        while self._running:
            for task in self._running:
                task.cancel()
            # A task that catches its cancellation is cancelled again.
            await asyncio.wait(self._running, timeout=CANCEL_AGAIN)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open))

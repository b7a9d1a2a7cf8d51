"""Pass on what a kernel's process prints to w2z's own stdout and stderr; keep the end of stderr.

A thread does this, because the reader of w2z's output may be slow. Then only the kernel's prints
wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
from collections.abc import Callable
from typing import IO, Protocol

OUTPUT_READ_SIZE = 64 * 1024
"""Bytes read at once: the capacity of a pipe."""

TAIL = 8 * 1024
"""Bytes of stderr kept to explain why the kernel ended: enough for a long traceback."""

UNFINISHED = 0.1
"""Seconds that a line may take to go on before it is passed on as it is."""

Listener = Callable[[str, bytes], None]
"""Called in the thread with ``"stdout"`` or ``"stderr"`` and the printed bytes; it may block."""


class Lines(Protocol):
    """How a stream is passed on line by line."""

    @property
    def holds(self) -> bool:
        """Whether :meth:`flush` would return something."""

    def feed(self, data: bytes) -> bytes:
        """Take what was printed; return what to write now."""

    def flush(self) -> bytes:
        """Return the rest, which has no end of line yet."""


class Output:
    """A thread that passes on ``stdout`` and ``stderr`` until both end, or until :meth:`finish`.

    ``style`` makes the :class:`Lines` of the stream with that name; without it, all is passed on as
    it is.
    """

    def __init__(
        self,
        stdout: IO[bytes],
        stderr: IO[bytes],
        listen: Listener | None,
        style: Callable[[str], Lines] | None = None,
    ) -> None:
        self._listen = listen
        self._lines = {} if style is None else {1: style("stdout"), 2: style("stderr")}
        self._tail = b""
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._wake, self._waker = os.pipe()
        self._streams = {"stdout": (stdout, 1), "stderr": (stderr, 2)}
        # A daemon: if the reader of w2z's output is stuck, w2z must still be able to end.
        threading.Thread(target=self._run, name="kernel-output", daemon=True).start()

    @property
    def last_words(self) -> str:
        """The end of what the process wrote to stderr."""
        return self._tail.decode(errors="replace").strip()

    async def finish(self, seconds: float) -> None:
        """Pass on what was printed so far, then stop. Takes ``seconds`` at most.

        Waiting for the streams' end is no use: processes that the kernel left may keep them open.
        """
        if not self._over.is_set():
            with contextlib.suppress(BrokenPipeError):  # the thread has just ended by itself
                os.write(self._waker, b"x")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for name, (stream, target) in self._streams.items():
                selector.register(stream, selectors.EVENT_READ, (name, stream, target))
            selector.register(self._wake, selectors.EVENT_READ)
            self._pass_on(selector)
        for stream, _ in self._streams.values():
            stream.close()
        os.close(self._wake)
        try:
            self._loop.call_soon_threadsafe(self._finished)
        except RuntimeError:  # the loop is closed: nothing waits any more
            os.close(self._waker)

    def _finished(self) -> None:
        os.close(self._waker)
        self._waker = -1
        self._over.set()

    def _pass_on(self, selector: selectors.BaseSelector) -> None:
        is_ending = False
        # The wake pipe stays registered; with it alone, both streams have ended.
        while len(selector.get_map()) > 1:
            unfinished = any(lines.holds for lines in self._lines.values())
            patience = UNFINISHED if unfinished else None
            events = selector.select(0 if is_ending else patience)
            if not events:
                self._flush()
            streams = [key for key, _ in events if key.data is not None]
            for key in streams:
                name, stream, target = key.data
                data = os.read(stream.fileno(), OUTPUT_READ_SIZE)
                if data:
                    self._take(name, target, data)
                else:
                    selector.unregister(stream)
            if is_ending and not streams:
                break
            is_ending = is_ending or len(streams) < len(events)
        self._flush()

    def _take(self, name: str, target: int, data: bytes) -> None:
        if name == "stderr":
            self._tail = (self._tail + data)[-TAIL:]
        lines = self._lines.get(target)
        write_all(target, data if lines is None else lines.feed(data))
        if self._listen is not None:
            self._listen(name, data)

    def _flush(self) -> None:
        for target, lines in self._lines.items():
            if lines.holds:
                write_all(target, lines.flush())


def write_all(target: int, data: bytes) -> None:
    """Write all of ``data`` to a file descriptor that may be slow, non-blocking, or closed."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            with selectors.DefaultSelector() as selector:
                selector.register(target, selectors.EVENT_WRITE)
                selector.select()
        except OSError:
            return  # the reader is gone; the kernel must not notice

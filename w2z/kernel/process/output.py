"""What a kernel process prints: passed on to w2z's own stdout and stderr, the last of it kept.

In a thread, because whoever reads w2z's output may be slow: then the kernel's prints wait, and
nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
from collections.abc import Callable
from typing import IO

OUTPUT_READ_SIZE = 64 * 1024
"""Bytes read at once: what a pipe holds."""

TAIL = 8 * 1024
"""Bytes of stderr kept for whoever asks why the kernel ended: a long traceback."""

Listener = Callable[[str, bytes], None]
"""Gets ``("stdout" or "stderr", what was printed)``, in the thread; may block it."""


class Output:
    """Passes on until both streams end, or :meth:`finish`."""

    def __init__(self, stdout: IO[bytes], stderr: IO[bytes], listen: Listener | None) -> None:
        self._listen = listen
        self._tail = b""
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._wake, self._waker = os.pipe()
        self._streams = {"stdout": (stdout, 1), "stderr": (stderr, 2)}
        # A daemon: a reader of w2z's output that is stuck must not keep w2z from ending.
        threading.Thread(target=self._run, name="kernel-output", daemon=True).start()

    @property
    def last_words(self) -> str:
        """The end of what came on stderr."""
        return self._tail.decode(errors="replace").strip()

    async def finish(self, seconds: float) -> None:
        """Pass on what is there, and stop: processes the kernel left may keep the streams open."""
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
        except RuntimeError:  # the loop is closed: nobody waits any more
            os.close(self._waker)

    def _finished(self) -> None:
        os.close(self._waker)
        self._waker = -1
        self._over.set()

    def _pass_on(self, selector: selectors.BaseSelector) -> None:
        is_ending = False
        # The wake pipe is the last one registered.
        while len(selector.get_map()) > 1:
            events = selector.select(0 if is_ending else None)
            streams = [key for key, _ in events if key.data is not None]
            for key in streams:
                name, stream, target = key.data
                data = os.read(stream.fileno(), OUTPUT_READ_SIZE)
                if data:
                    self._take(name, target, data)
                else:
                    selector.unregister(stream)
            if is_ending and not streams:
                return
            is_ending = is_ending or len(streams) < len(events)

    def _take(self, name: str, target: int, data: bytes) -> None:
        if name == "stderr":
            self._tail = (self._tail + data)[-TAIL:]
        write_all(target, data)
        if self._listen is not None:
            self._listen(name, data)


def write_all(target: int, data: bytes) -> None:
    """Write to a file descriptor that may be slow, not blocking, or gone."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            with selectors.DefaultSelector() as selector:
                selector.register(target, selectors.EVENT_WRITE)
                selector.select()
        except OSError:
            return  # nobody reads it any more; the kernel shall not notice

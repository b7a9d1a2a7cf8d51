"""A bounded queue of lines, and the thread that writes them.

Whoever puts a line waits for nothing: neither for a reader of stderr that has stopped to read, nor
for a disk. Lines for which there is no room are counted and dropped, and the writer says how many
there were as soon as lines are written again.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable

ROOM = 2**20
"""Bytes of lines that may wait to be written: thousands of lines."""

AT_ONCE = 2**16
"""Bytes written at once: the capacity of a pipe."""


Line = bytes | Callable[[], bytes]
"""A line with its end, or what makes it in the thread of the writer and raises nothing."""


class LineWriter:
    """Writes lines in a thread of its own, with ``write``, which may block or raise OSError.

    ``lost`` makes the line that says how many lines were dropped. ``failed`` is called in the
    thread with the first error of several in a row, and with ``None`` at the next success.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        lost: Callable[[int], bytes],
        *,
        failed: Callable[[OSError | None], None] = lambda error: None,
        room: int = ROOM,
    ) -> None:
        self._write = write
        self._lost_line = lost
        self._failed = failed
        self._room = room
        self._lines: deque[tuple[Line, int]] = deque()
        self._waiting = 0
        self._lost = 0
        self._is_failing = False
        self._is_ending = False
        # Its lock is reentrant: a warning of the garbage collector may come while a line is put.
        self._news = threading.Condition()
        # A daemon: a reader that is stuck must not hold up the end of w2z.
        self._thread = threading.Thread(target=self._run, name="w2z-lines", daemon=True)
        self._thread.start()

    def put(self, line: Line, size: int = 0) -> None:
        """Let the line be written, or drop it if there is no room. Never blocks.

        A line that the thread has yet to make counts as ``size`` bytes. One that is larger than the
        room is taken if none waits.
        """
        size = len(line) if isinstance(line, bytes) else size
        with self._news:
            if self._waiting and self._waiting + size > self._room:
                self._lost += 1
                return
            self._lines.append((line, size))
            self._waiting += size
            self._news.notify()

    def close(self, seconds: float) -> bool:
        """Write what waits, for ``seconds`` at most; return whether that was all."""
        with self._news:
            self._is_ending = True
            self._news.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while lines := self._take():
            try:
                made = (line if isinstance(line, bytes) else line() for line in lines)
                self._write(b"".join(made))
            except OSError as error:
                with self._news:
                    self._lost += len(lines)
                self._tell(error)
            else:
                self._tell(None)

    def _take(self) -> list[Line]:
        """Wait for lines; return some of them, or none at the end."""
        with self._news:
            while not (self._lines or self._is_ending or (self._lost and not self._is_failing)):
                self._news.wait()
            taken: list[Line] = []
            total = 0
            while self._lines and total < AT_ONCE:
                line, size = self._lines.popleft()
                taken.append(line)
                total += size
            self._waiting -= total
            # Lines are dropped while the queue is full, so their place is behind it.
            if self._lost and not self._lines and not self._is_failing:
                taken.append(self._lost_line(self._lost))
                self._lost = 0
            return taken

    def _tell(self, error: OSError | None) -> None:
        if self._is_failing != (error is not None):
            self._is_failing = error is not None
            self._failed(error)


class Descriptor:
    """Writes to a file descriptor that may be slow, non-blocking or closed."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_torn = False

    def __call__(self, data: bytes) -> None:
        """Write all of ``data``; raises OSError. A line that was cut before gets its end first."""
        rest = memoryview(b"\n" + data if self._is_torn else data)
        while rest:
            try:
                written = os.write(self._number, rest)
            except BlockingIOError:
                with selectors.DefaultSelector() as selector:
                    selector.register(self._number, selectors.EVENT_WRITE)
                    selector.select()
            else:
                rest = rest[written:]
                self._is_torn = bool(rest)


def say(number: int, line: bytes) -> None:
    """Write one line to a file descriptor, by a thread if it takes none now. Never blocks."""

    def write() -> None:
        with contextlib.suppress(OSError):
            Descriptor(number)(line)

    if is_writable(number):
        write()
    else:
        threading.Thread(target=write, name="w2z-line", daemon=True).start()


def is_writable(number: int, seconds: float = 0) -> bool:
    """Whether the file descriptor takes a line without blocking, now or within ``seconds``."""
    with selectors.PollSelector() as selector:
        try:
            selector.register(number, selectors.EVENT_WRITE)
            return bool(selector.select(seconds))
        except (OSError, ValueError):
            return True  # closed: writing fails, and does not block

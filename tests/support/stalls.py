"""Detect stalls of the event loop: a single step took so long that no client was served.

A step counts by the time that its thread spent computing, or asleep in a call that blocks. Time in
which the thread waited for a busy machine does not count, nor do steps of the tests themselves on
the same loop.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any

LIMIT = 0.25
"""Seconds of one step that count as a stall."""

MOST_PLACES = 8
"""Places in the code that are told of one stall."""

LOOK = 0.02
"""Seconds between looks at the current step: whether it sleeps, and which code it runs."""

_TESTS = str(Path(__file__).parents[1])
_run = asyncio.Handle._run


class Watch:
    """Watches the steps of the event loop in the thread that makes this object."""

    def __init__(self) -> None:
        self.stalls: list[str] = []
        """Of each stall: how long it took, which step it was, and which code ran meanwhile."""
        self._thread = threading.get_ident()
        self._status = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
        self._cpu_clock = time.pthread_getcpuclockid(self._thread)
        self._step: float | None = None
        self._asleep = 0.0
        self._where = ""
        self._garbage = 0.0
        self._garbage_since = 0.0
        self._is_over = threading.Event()

    @property
    def is_seen(self) -> bool:
        """Whether the current step was looked at, so that it is known which code it runs."""
        return bool(self._where)

    def run(self, handle: asyncio.Handle) -> None:
        """Run a step of the loop, and measure how long it takes."""
        if threading.get_ident() != self._thread or _is_own(handle):
            _run(handle)
            return
        self._asleep, self._garbage, self._where = 0.0, 0.0, ""
        began, cpu = time.monotonic(), time.thread_time()
        self._step = began
        _run(handle)
        self._step = None
        busy = time.thread_time() - cpu - self._garbage
        if busy + self._asleep > LIMIT:
            took = time.monotonic() - began
            self.stalls.append(
                f"{took:.2f} s ({busy:.2f} s computing, {self._asleep:.2f} s asleep)"
                f" in {handle!r}\n{self._where}"
            )

    def collecting(self, phase: str, info: dict[str, Any]) -> None:
        """Measure garbage collections. They do not count: they clean up after tests, too."""
        if threading.get_ident() == self._thread:
            if phase == "start":
                self._garbage_since = time.thread_time()
            else:
                self._garbage += time.thread_time() - self._garbage_since

    def look(self) -> None:
        """Look at the steps from another thread, until :meth:`end` is called."""
        last, last_step, last_cpu = time.monotonic(), 0.0, 0.0
        while not self._is_over.wait(LOOK):
            now, step, cpu = time.monotonic(), self._step, time.clock_gettime(self._cpu_clock)
            if step is not None and step == last_step:
                # Asleep is not waiting for a processor: the thread computed nothing meanwhile.
                if self._is_asleep() and cpu == last_cpu:
                    self._asleep += now - last
                # No name for the frame here: it would keep all that the step had until the next.
                where = _describe(sys._current_frames().get(self._thread))
                where = where if step == self._step else ""
                if where not in self._where and self._where.count("\n\n") < MOST_PLACES:
                    self._where += f"{where}\n\n"
            last, last_step, last_cpu = now, step or 0.0, cpu

    def end(self) -> None:
        """Let :meth:`look` return."""
        self._is_over.set()

    def _is_asleep(self) -> bool:
        state = self._status.read_text().rpartition(")")[2].split()[0]
        return state in "SD"


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch this thread's event loop until the end of the block."""
    watch = Watch()
    looking = threading.Thread(target=watch.look, daemon=True)
    before = asyncio.Handle._run

    def run(handle: asyncio.Handle) -> None:
        watch.run(handle)

    asyncio.Handle._run = run  # type: ignore[method-assign,assignment]
    gc.callbacks.append(watch.collecting)
    looking.start()
    try:
        yield watch
    finally:
        asyncio.Handle._run = before  # type: ignore[method-assign]
        gc.callbacks.remove(watch.collecting)
        watch.end()
        looking.join()


def _is_own(handle: asyncio.Handle) -> bool:
    """Whether this is a step of a task that the tests made, and not w2z."""
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    if not isinstance(task, asyncio.Task):
        return False
    coroutine = task.get_coro()
    if not isinstance(coroutine, CoroutineType):
        return False
    name = coroutine.cr_code.co_filename
    return name.startswith(_TESTS) or "pytest_asyncio" in name


def _describe(frame: FrameType | None) -> str:
    """Describe where the code is, by its innermost calls, without reading any source file."""
    calls: list[str] = []
    while frame is not None and len(calls) < 8:
        code = frame.f_code
        calls.append(f"    {code.co_filename}:{frame.f_lineno} in {code.co_qualname}")
        frame = frame.f_back
    return "\n".join(calls)

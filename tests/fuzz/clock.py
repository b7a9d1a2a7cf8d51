"""An event loop whose time passes as soon as there is nothing to do.

So a fuzzer sees what happens after a timeout without waiting for it, and the same input always runs
the same course.
"""

from __future__ import annotations

import asyncio
import selectors


class HurriedLoop(asyncio.SelectorEventLoop):
    """The loop. It waits for nothing that is not in this process."""

    def __init__(self) -> None:
        self._now = 1000.0
        super().__init__(_NoWait(self))

    def time(self) -> float:
        """Return the time that has passed here."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Called instead of waiting."""
        self._now += seconds


class _NoWait(selectors.SelectSelector):
    def __init__(self, loop: HurriedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("something is waited for that never happens")
        if timeout > 0:
            self._loop.pass_time(timeout)
        return []

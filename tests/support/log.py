"""What w2z logs, as something to wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager


class Log(logging.Handler):
    """The lines that w2z has logged, in the loop's own thread."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._news.set()

    async def line(self, text: str) -> str:
        """Wait for a line with that text in it."""
        while not (found := [line for line in self.lines if text in line]):
            self._news.clear()
            await self._news.wait()
        return found[0]


@contextmanager
def logged(level: int = logging.INFO) -> Iterator[Log]:
    """Listen to w2z's log meanwhile."""
    log, handler = logging.getLogger("w2z"), Log()
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield handler
    finally:
        log.setLevel(before)
        log.removeHandler(handler)

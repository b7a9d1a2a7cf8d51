"""Wait for lines in w2z's log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator


class Heard(logging.Handler):
    """A log handler that keeps the lines of the logger ``w2z``."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._news.set()

    def matching(self, *patterns: str) -> list[str]:
        """Return the lines in which every pattern is found."""
        return [line for line in self.lines if all(re.search(one, line) for one in patterns)]

    async def line(self, *patterns: str, seconds: float = 5) -> str:
        """Wait for a line in which every pattern is found, and return it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.matching(*patterns):
                    self._news.clear()
                    await self._news.wait()
        found = self.matching(*patterns)
        assert found, f"no line of log with {patterns} in {seconds:g} s, but {self.lines}"
        return found[0]


@contextlib.contextmanager
def listening(level: int = logging.INFO) -> Iterator[Heard]:
    """Keep what w2z logs at ``level`` or above until the end of the block."""
    heard, logger = Heard(), logging.getLogger("w2z")
    before = logger.level
    logger.addHandler(heard)
    logger.setLevel(level)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.setLevel(before)

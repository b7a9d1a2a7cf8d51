"""Watch from outside which processes another process starts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """A process: its id, and the command and environment that it was started with."""

    pid: int
    command: list[str]
    environment: dict[str, str]


@dataclass
class Watch:
    """The children that process ``pid`` starts while watched; short-lived ones may be missed."""

    pid: int
    started: list[Started] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(self) -> Started:
        """Wait for the first child, and return it."""
        await self._news.wait()
        return self.started[0]

    async def run(self) -> None:
        """Watch for new children until cancelled."""
        known = set(_children(self.pid))
        while True:
            for pid in _children(self.pid):
                if pid not in known and (found := self._look_at(pid)):
                    known.add(pid)
                    self.started.append(found)
                    self._news.set()
            await asyncio.sleep(0)

    def _look_at(self, pid: int) -> Started | None:
        """Describe a child; ``None`` if it is still a copy of its parent, or has ended."""
        parents, command = _words(self.pid, "cmdline"), _words(pid, "cmdline")
        if command in ([], parents):
            return None
        pairs = (word.partition("=") for word in _words(pid, "environ"))
        return Started(pid, command, {name: value for name, _, value in pairs})


@asynccontextmanager
async def watching(pid: int) -> AsyncIterator[Watch]:
    """Watch which processes ``pid`` starts until the end of the block."""
    watch = Watch(pid)
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watch.run())
        await asyncio.sleep(0)
        try:
            yield watch
        finally:
            looking.cancel()


def _children(pid: int) -> Iterator[int]:
    """Yield the children of a process, which /proc lists for each thread by itself."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def _words(pid: int, file: str) -> list[str]:
    """Return the NUL-terminated words of a file of the process in /proc; none if it is gone."""
    try:
        words = Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return []
    return words.decode(errors="replace").split("\0")[:-1]

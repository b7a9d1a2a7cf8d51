"""The processes that another one starts, seen from outside as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """A process: its number, and what it was started with."""

    pid: int
    command: list[str]
    environment: dict[str, str]


@dataclass
class Watch:
    """The children of process ``pid`` since it is watched, as far as they lived for a moment."""

    pid: int
    started: list[Started] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def first(self) -> Started:
        """Wait for the first of them."""
        await self._news.wait()
        return self.started[0]

    async def run(self) -> None:
        """Watch until cancelled."""
        known = set(_children(self.pid))
        while True:
            for pid in _children(self.pid):
                if pid not in known and (found := self._look_at(pid)):
                    known.add(pid)
                    self.started.append(found)
                    self._news.set()
            await asyncio.sleep(0)

    def _look_at(self, pid: int) -> Started | None:
        """``None`` for one that is still its parent's image, or has none any more."""
        parents, command = _words(self.pid, "cmdline"), _words(pid, "cmdline")
        if command in ([], parents):
            return None
        pairs = (word.partition("=") for word in _words(pid, "environ"))
        return Started(pid, command, {name: value for name, _, value in pairs})


@asynccontextmanager
async def watching(pid: int) -> AsyncIterator[Watch]:
    """Watch what that process starts until the end of the block."""
    watch = Watch(pid)
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watch.run())
        await asyncio.sleep(0)
        try:
            yield watch
        finally:
            looking.cancel()


def _children(pid: int) -> Iterator[int]:
    """Each thread has children of its own."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def _words(pid: int, file: str) -> list[str]:
    """What the kernel keeps with a NUL behind each."""
    try:
        words = Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return []
    return words.decode(errors="replace").split("\0")[:-1]

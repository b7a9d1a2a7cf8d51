"""Let 100 clients use one real kernel for long: ``python -m tools.soak_sessions [MINUTES]``.

60 of them listen, 20 run cells and are cut off after each, and 20 run each cell in a session of its
own, which nobody comes back for. IPython keeps no history of them, which takes a kilobyte for each
cell. Prints memory, files and threads of w2z and of the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
from websockets.exceptions import ConnectionClosed

from tests.support.client import open_client, stdout
from tests.support.processes import W2z, ipykernel, w2z

LISTENERS = 60
CUT_OFF = 20
VISITORS = 20

PAUSE = 1.0
"""Seconds between two cells of one client: 40 cells a second are what a kernel has time for."""

EVERY = 60.0
"""Seconds from one line of figures to the next."""


@dataclass
class Taken:
    """What a process has: megabytes of memory, open files, threads."""

    rss: float
    files: int
    threads: int

    @classmethod
    def by(cls, process: psutil.Process) -> Taken:
        """Return what ``process`` has now."""
        rss = round(process.memory_info().rss / 1e6, 1)
        return cls(rss, process.num_fds(), process.num_threads())


class Crowd:
    """The clients, until the ``end`` on the monotonic clock."""

    def __init__(self, served: W2z, end: float) -> None:
        self._served = served
        self._end = end
        self.cells = 0
        self.sessions = 0

    async def listen(self, name: str) -> None:
        """Read without end what all are sent."""
        async with open_client(self._served.websocket(name), "v1") as client:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await client.recv()

    async def work(self, name: str | None) -> None:
        """Run a cell on a connection of its own, and again; without a name in a new session."""
        while time.monotonic() < self._end:
            session_id = name or uuid.uuid4().hex
            async with open_client(self._served.websocket(session_id), "v1") as client:
                seen = await client.execute("print(6 * 7)", store_history=False)
                assert stdout(seen) == "42\n"
                self.cells += 1
                self.sessions += name is None
                if name is not None:
                    client.websocket.transport.abort()
            await asyncio.sleep(PAUSE)

    async def watch(self, kernel: psutil.Process) -> None:
        """Print figures."""
        process = psutil.Process(self._served.pid)
        while time.monotonic() < self._end:
            await asyncio.sleep(min(EVERY, max(0, self._end - time.monotonic())))
            figures = [*astuple(Taken.by(process)), *astuple(Taken.by(kernel))]
            sys.stdout.write(
                f"{self.cells} cells, {self.sessions} sessions: w2z and kernel {figures}\n"
            )
            sys.stdout.flush()


async def soak(folder: Path, minutes: float) -> None:
    """Run all of them."""
    async with AsyncExitStack() as stack:
        path = await stack.enter_async_context(ipykernel(folder))
        served = await stack.enter_async_context(
            w2z(path, "--max-connections", "4096", "--resume-window", "600", development=False)
        )
        await served.ready()
        me = psutil.Process()
        [kernel] = [
            one for one in me.children() if str(path) in one.cmdline() and one.pid != served.pid
        ]
        crowd = Crowd(served, time.monotonic() + 60 * minutes)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        listening = [tasks.create_task(crowd.listen(f"listener-{n}")) for n in range(LISTENERS)]
        working = [tasks.create_task(crowd.work(f"cut-off-{n}")) for n in range(CUT_OFF)]
        working += [tasks.create_task(crowd.work(None)) for _ in range(VISITORS)]
        await crowd.watch(kernel)
        await asyncio.wait(working)
        for task in listening:
            task.cancel()


def main() -> None:
    """Run it for the minutes that were asked for, 30 by default."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(soak(Path(folder), float(sys.argv[1] if len(sys.argv) > 1 else 30)))


if __name__ == "__main__":
    main()

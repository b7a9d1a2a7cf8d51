"""Let many clients use one w2z for long: ``python -m tools.soak [MINUTES]``.

Prints how much memory and how many files w2z has meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import psutil

from tests.support.fake_kernel import FakeKernel, fake_kernel
from tests.support.processes import W2z, w2z
from tests.support.returning import Returning

CLIENTS = 100
RESTLESS = 20
"""How many of these clients leave and come back all the time."""

MESSAGES = 100
"""Messages that go to all clients in each round."""

EACH = 25
"""Messages after which a restless client leaves and comes back."""

TEXT = "x" * 500


@dataclass
class Taken:
    """The memory of w2z's process, in bytes, and its open files."""

    rss: int
    files: int


def taken(served: W2z) -> Taken:
    process = psutil.Process(served.pid)
    return Taken(process.memory_info().rss, process.num_fds())


class Crowd:
    """Clients of one w2z that read numbered output; the first ``RESTLESS`` of them are restless."""

    def __init__(self, served: W2z, kernel: FakeKernel) -> None:
        self._served = served
        self._kernel = kernel
        self._clients = [Returning(served.websocket(f"{n}"), records=False) for n in range(CLIENTS)]
        self._arrived = asyncio.Condition()
        self._numbers = [-1] * CLIENTS
        self._next = 0
        self.reconnects = 0
        self.repeats = 0

    async def follow(self, which: int) -> None:
        """Read without end. Fails at a wrong number; restless clients may get one again."""
        client = self._clients[which]
        async for message in client.messages():
            if message.msg_type != "stream":
                continue
            if message.content["number"] <= self._numbers[which] and which < RESTLESS:
                self.repeats += 1
                continue
            assert message.content["number"] == self._numbers[which] + 1
            async with self._arrived:
                self._numbers[which] += 1
                self._arrived.notify_all()
            if which < RESTLESS and self._numbers[which] % EACH == which % EACH:
                self.reconnects += 1
                assert client.websocket is not None
                client.websocket.transport.abort()

    async def there(self) -> None:
        """Wait until all clients are connected."""
        async with self._served.rest() as rest:
            while (await rest.json("GET /api/kernels"))[0]["connections"] < CLIENTS:
                pass

    async def round(self) -> None:
        """Send one round of messages, and wait until all of them have arrived at every client."""
        for _ in range(MESSAGES):
            await self._kernel.iopub("stream", {"number": self._next, "text": TEXT})
            self._next += 1
        async with self._arrived:
            await self._arrived.wait_for(lambda: min(self._numbers) == self._next - 1)


async def soak(folder: Path, rounds: Iterator[int], warm_up: int, every: int = 0) -> list[Taken]:
    """Measure w2z after the warm-up, after each ``every`` rounds if given, and after all rounds."""
    async with AsyncExitStack() as stack:
        kernel = await stack.enter_async_context(fake_kernel(folder))
        served = await stack.enter_async_context(w2z(kernel.connection_file))
        crowd = Crowd(served, kernel)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        following = [tasks.create_task(crowd.follow(n)) for n in range(CLIENTS)]
        await crowd.there()
        for _ in range(warm_up):
            await crowd.round()
        await crowd.there()
        held = [taken(served)]
        number = 0
        for number in rounds:
            await crowd.round()
            if every and number % every == 0:
                await crowd.there()
                held.append(taken(served))
                sys.stdout.write(f"round {number}: {held[-1]}\n")
                sys.stdout.flush()
        await crowd.there()
        held.append(taken(served))
        sys.stdout.write(
            f"{number} rounds: {crowd.reconnects} reconnects, {crowd.repeats} repeats, {held}\n"
        )
        for task in following:
            task.cancel()
    return held


def main() -> None:
    end = time.monotonic() + 60 * float(sys.argv[1] if len(sys.argv) > 1 else 10)
    with tempfile.TemporaryDirectory() as folder:
        rounds = takewhile(lambda _: time.monotonic() < end, count(1))
        asyncio.run(soak(Path(folder), rounds, 10, 50))


if __name__ == "__main__":
    main()

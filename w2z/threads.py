"""Work that blocks, in a thread that keeps nobody from ending.

asyncio's own threads are waited for when the loop closes and again when the interpreter ends: a
name server that is silent, or a lookup that takes its time, would hold up the end of w2z.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. Who is cancelled goes on at once; the work goes on, too."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not answer.done():
            settled()

    def run() -> None:
        try:
            settled = partial(answer.set_result, work())
        except Exception as error:  # noqa: BLE001 (it is raised where the answer is awaited)
            settled = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, name="w2z-aside", daemon=True).start()
    return await answer

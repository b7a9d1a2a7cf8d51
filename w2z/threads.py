"""Running blocking work in threads: files on a network drive, a name server that is silent.

``asyncio.to_thread`` is not used: the end of the loop and the interpreter's exit wait for its
threads, and so for a drive that does not answer. The threads here are daemons: only the caller
waits for them, and it can stop waiting.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from _thread import start_new_thread
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def begin(work: Callable[[], T]) -> asyncio.Future[T]:
    """Start ``work`` in a thread of its own. The future gets the result, or the error raised."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T) -> None:
        if not outcome.done():
            outcome.set_result(result)

    def fail(error: Exception) -> None:
        if not outcome.done():
            outcome.set_exception(error)

    def run() -> None:
        with contextlib.suppress(RuntimeError):  # the event loop was closed meanwhile
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 (raised again where the future is awaited)
                loop.call_soon_threadsafe(fail, error)
            else:
                loop.call_soon_threadsafe(settle, result)

    # Not threading.Thread, whose start waits until the new thread has had its turn.
    start_new_thread(run, ())
    return outcome


def at_once(seconds: float, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread, block until it is done, and return its result, or raise its error.

    For code that may not wait in the event loop's way, and whose work takes microseconds unless a
    file system does not answer. Raises :class:`TimeoutError` after ``seconds``; the thread goes on.
    """
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001 (raised again by the caller)
            outcome.set_exception(error)

    # Not threading.Thread, whose start waits until the new thread has had its turn.
    start_new_thread(run, ())
    return outcome.result(seconds)


async def in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread and return its result, or raise its error.

    A caller that is cancelled stops waiting at once; the thread goes on.
    """
    return await begin(work)


async def within(seconds: float, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread and return its result, or raise its error.

    Raises :class:`TimeoutError` after ``seconds``; the thread goes on, and its result is dropped.
    """
    async with asyncio.timeout(seconds):
        return await begin(work)

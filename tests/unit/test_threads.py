"""Work in threads that nobody has to wait for."""

import asyncio
import subprocess
import sys
import threading
from _thread import _count as running

import pytest

from w2z.threads import at_once, in_thread


async def test_it_gives_what_the_work_returns():
    assert await in_thread(lambda: threading.current_thread() is not threading.main_thread())


async def test_it_raises_what_the_work_raises():
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_who_is_cancelled_does_not_wait_nor_does_the_loop():
    begun, go_on, is_over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        is_over.set()

    async def give_up(seconds: float) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await in_thread(work)

    asyncio.run(give_up(0))
    asyncio.run(give_up(0.01))
    assert begun.wait(60)
    assert not is_over.is_set()
    go_on.set()
    # What it returns, to a loop that is closed, is nobody's.
    assert is_over.wait(60)


async def test_what_comes_after_a_cancellation_is_nobody_s():
    go_on = threading.Event()
    before = running()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(in_thread(go_on.wait))
        await asyncio.sleep(0)
        waiting.cancel()
    go_on.set()
    while running() > before:
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_the_process_does_not_wait_either():
    code = (
        "import asyncio, time; from w2z.threads import at_once, in_thread\n"
        "async def main():\n"
        "    async with asyncio.timeout(0.01):\n"
        "        await in_thread(lambda: time.sleep(1000))\n"
        "try:\n"
        "    asyncio.run(main())\n"
        "except TimeoutError:\n"
        "    raise SystemExit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


def test_at_once_gives_what_the_work_returns_or_raises():
    assert at_once(60, lambda: threading.current_thread() is not threading.main_thread())
    with pytest.raises(ZeroDivisionError):
        at_once(60, lambda: 1 // 0)


def test_at_once_waits_no_longer_than_it_may():
    go_on = threading.Event()
    with pytest.raises(TimeoutError):
        at_once(0.01, lambda: go_on.wait(60))
    go_on.set()

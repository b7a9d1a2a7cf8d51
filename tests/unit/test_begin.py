"""Blocking work in a thread that nobody's end waits for."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from w2z.threads import begin, within


async def test_what_work_returns_is_handed_on():
    assert await within(60, threading.current_thread) is not threading.current_thread()


async def test_what_work_raises_is_raised():
    def work() -> None:
        raise OSError("no such drive")

    with pytest.raises(OSError, match="no such drive"):
        await within(60, work)


async def test_nobody_waits_longer_than_they_like():
    go_on = threading.Event()
    with pytest.raises(TimeoutError):
        await within(0, go_on.wait)
    go_on.set()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_result_that_nobody_waits_for_any_more_is_dropped(fails, monkeypatch):
    work, complaints = threading.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: complaints.append(told))

    def done() -> None:
        work.wait()
        if fails:
            raise OSError

    loop, told = asyncio.get_running_loop(), asyncio.Event()
    real = loop.call_soon_threadsafe

    def tell(callback: Any, *args: Any) -> Any:
        handle = real(callback, *args)
        real(told.set)
        return handle

    monkeypatch.setattr(loop, "call_soon_threadsafe", tell)
    outcome = begin(done)
    outcome.cancel()
    work.set()
    async with asyncio.timeout(60):
        await told.wait()
    assert outcome.cancelled()
    assert complaints == []


def test_neither_the_loop_nor_the_interpreter_waits_for_work_that_hangs():
    code = """
import asyncio, threading
from w2z.threads import begin, within

async def main():
    begin(threading.Event().wait)
    print(await within(60, lambda: "done"))

asyncio.run(main())
"""
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert told.stdout == b"done\n"


def test_work_that_outlives_the_loop_is_not_complained_about():
    code = """
import asyncio, threading, time, _thread
from w2z.threads import begin

go_on = threading.Event()

async def main():
    begin(go_on.wait)

asyncio.run(main())
go_on.set()
while _thread._count():
    time.sleep(0.001)
"""
    told = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=True)
    assert told.stderr == b""

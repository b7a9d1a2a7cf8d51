"""Blocking work in a thread that nobody's end waits for."""

import asyncio
import subprocess
import sys
import threading
from functools import partial

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
async def test_a_result_that_nobody_waits_for_any_more_is_dropped(fails):
    work, complaints = threading.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: complaints.append(told))

    def done() -> None:
        work.wait()
        if fails:
            raise OSError

    outcome = begin(done)
    outcome.cancel()
    work.set()
    # What the loop was told before, it has taken up by the time that later work is done.
    await within(60, partial(join, set(threading.enumerate())))
    assert outcome.cancelled()
    assert complaints == []


def join(threads: set[threading.Thread]) -> None:
    for thread in threads:
        if thread.daemon:
            thread.join()


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
import asyncio, threading
from w2z.threads import begin

go_on = threading.Event()

async def main():
    begin(go_on.wait)

asyncio.run(main())
[thread] = [thread for thread in threading.enumerate() if thread.daemon]
go_on.set()
thread.join()
"""
    told = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=True)
    assert told.stderr == b""

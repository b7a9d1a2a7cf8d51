from __future__ import annotations

import asyncio
import contextlib
import gc
from _thread import _count as running
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zmq

from tests.support.fake_kernel import FakeKernel, fake_kernel
from tests.support.serving import Served, serving
from tests.support.stalls import watched


def open_files() -> set[str]:
    """What this process has open, apart from what merely changes its number."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.add(f"{entry.name}:{entry.readlink()}")
    return found


@pytest.fixture(scope="session", autouse=True)
def only_what_tests_make_is_collected() -> None:
    """The collections below look at no object older than this: there are very many."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def pyzmqs_own_thread_runs() -> None:
    """The first large message to a kernel starts it, and its files stay open."""
    zmq.Frame(b"anything", copy=False, copy_threshold=0)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No task, socket or file outlives the test that made it."""
    before_files, before_threads = open_files(), running()
    yield
    gc.collect()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            # What a thread looks at is of no use any more, but still open.
            while running() > before_threads and open_files() - before_files:
                await asyncio.sleep(0.01)
    assert open_files() - before_files == set()


@pytest.fixture(autouse=True)
def no_stall(nothing_is_left: None) -> Iterator[None]:
    """w2z never keeps its event loop for long."""
    with watched() as watch:
        yield
    assert not watch.stalls, "the event loop stood still:\n" + "\n".join(watch.stalls)


@pytest.fixture
async def kernel(tmp_path: Path, nothing_is_left: None) -> AsyncIterator[FakeKernel]:
    async with fake_kernel(tmp_path) as found:
        yield found


@pytest.fixture
async def served(kernel: FakeKernel) -> AsyncIterator[Served]:
    async with serving(kernel.connection_file) as found:
        yield found

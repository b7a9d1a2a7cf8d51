"""w2z never keeps its event loop for long: the fixture ``no_stall`` sees to that in every test."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.attaching import place
from tests.support.client import Client, execute_request, open_client, request
from tests.support.fake_kernel import as_json, header
from tests.support.kernels import (
    Kernels,
    answered,
    asked,
    kernels_in,
    ready,
    rest_of,
    within,
)
from tests.support.processes import TINY, running
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.stalls import watched
from tests.support.timing import QUICK
from w2z.message import Channel, Message

# The fixture itself.


async def done(step: Callable[[], None]) -> None:
    """Let the loop run a step that is not the test's own."""
    is_done = asyncio.Event()

    def run() -> None:
        step()
        is_done.set()

    asyncio.get_running_loop().call_soon(run)
    await is_done.wait()


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def test_a_step_that_computes_long_is_a_stall() -> None:
    with watched() as watch:

        def compute_until_seen() -> None:
            compute(0.4)
            # The look from outside has to wait for its turn of the processor.
            while not watch.is_seen:
                compute(0.01)

        await done(compute_until_seen)
    assert len(watch.stalls) == 1
    assert "in compute" in watch.stalls[0], "where it was is told"


async def test_a_step_that_sleeps_long_is_a_stall() -> None:
    with watched() as watch:
        await done(lambda: time.sleep(0.4))
    assert len(watch.stalls) == 1


async def test_short_steps_are_none_however_many() -> None:
    with watched() as watch:
        for _ in range(20):
            await done(lambda: compute(0.02))
            await done(lambda: time.sleep(0.02))
    assert watch.stalls == []


async def test_what_the_test_itself_does_is_none() -> None:
    with watched() as watch:
        compute(0.4)
    assert watch.stalls == []


async def test_waiting_for_a_turn_of_the_processor_is_none() -> None:
    """Threads that compute take the interpreter from the loop as other programs the processor."""
    is_over = threading.Event()
    others = [threading.Thread(target=_compute_until, args=(is_over,)) for _ in range(4)]
    for other in others:
        other.start()
    with watched() as watch:
        await done(lambda: compute(0.1))
    is_over.set()
    for other in others:
        other.join()
    assert watch.stalls == []


def _compute_until(is_over: threading.Event) -> None:
    while not is_over.is_set():
        pass


class Held:
    """Something that a step has."""


async def test_what_a_step_had_is_let_go_after_a_look_at_it() -> None:
    """libzmq lets go of what it was given only when nobody else has it."""
    held: list[weakref.ref[Held]] = []
    with watched() as watch:

        def hold_until_seen() -> None:
            something = Held()
            held.append(weakref.ref(something))
            while not watch.is_seen:
                compute(0.01)

        await done(hold_until_seen)
        async with within(10, "it is let go"):
            while held[0]() is not None:
                await asyncio.sleep(0)


# A kernel that prints faster than w2z carries.


@pytest.fixture
async def kernels(tmp_path: Path, no_stall: None) -> AsyncIterator[Kernels]:
    async with kernels_in(tmp_path) as found:
        yield found


@asynccontextmanager
async def served_by(kernels: Kernels) -> AsyncIterator[tuple[Served, Rest]]:
    async with (
        serving(kernels.now.connection_file, timing=QUICK) as served,
        rest_of(served) as rest,
    ):
        await ready(rest)
        yield served, rest


def message_on(channel: Channel, parent: bytes = b"{}") -> Message:
    """A message that w2z has some work with: it looks what state the kernel is in."""
    content = as_json({"execution_state": "busy", "padding": "x" * 1000})
    return Message(channel, as_json(header("status")), parent, b"{}", content)


async def until_dead(client: Client) -> int:
    """Read up to w2z's word that the kernel is dead; how many messages came before."""
    count = 0
    async with within(60, "w2z's word that the kernel is dead"):
        while b'"dead"' not in await client.websocket.recv(decode=False):
            count += 1
    return count


FLOOD = """
import os, socket
parts = [b"", *kernel._message("status", {"execution_state": "busy", "padding": "x" * 1000})]
port = int(kernel.iopub.last_endpoint.rpartition(b":")[2])

def cut():
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            with socket.socket(fileno=os.dup(number)) as found:
                if found.getsockname()[1] == port and found.getpeername():
                    found.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # another kind of file

for number in range(120_000):
    kernel.iopub.send_multipart(parts)
    if number == 40_000:
        cut()
print("flooded", flush=True)
"""
"""A cell that prints faster than w2z carries; its iopub's connection is cut, and back at once."""


async def test_a_flood_over_a_connection_that_is_cut_and_back_at_once(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with (
        running(*TINY[1:3], str(path)) as kernel,
        serving(path, timing=QUICK) as served,
    ):
        async with rest_of(served) as rest:
            await ready(rest)
        for number in (1, 2):
            async with open_client(served.url(), "v1") as client:
                cell = await client.send(execute_request(FLOOD))
                await client.until("status", cell)
            async with within(60, "the end of the flood"):
                await kernel.line("flooded", number)
            # Another connection: strangers' idle ones are not kept for long.
            async with rest_of(served) as rest:
                await ready(rest)


async def test_many_last_words_on_iopub(kernels: Kernels) -> None:
    # No more than w2z's socket holds: the rest would wait for w2z, and the test for the rest.
    count = 45_000
    async with (
        served_by(kernels) as (served, _),
        open_client(served.url("a"), "v1") as client,
        open_client(served.url("b"), "default") as other,
    ):
        await answered(client, kernels.now)
        kernels.now.linger = 60_000
        kernels.now.burst(message_on(Channel.IOPUB), count, b"topic")
        await kernels.hang_up()
        assert await until_dead(client) >= count
        assert await until_dead(other) >= count


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
async def test_many_last_words_to_one_session(kernels: Kernels, channel: str) -> None:
    kernel = kernels.now
    async with served_by(kernels) as (served, _), open_client(served.url("a"), "v1") as client:
        identity, asking = await asked(client, kernel)
        if channel == "control":
            # The session's socket for control is there once it has sent something on it.
            await client.send(request("odd_request", channel="control"))
            identity, asking = await kernel.received.get()
        kernel.linger = 60_000
        kernel.burst(message_on(Channel(channel), asking.header), 150_000, identity)
        await kernels.hang_up()
        await until_dead(client)


async def test_last_words_of_a_kernel_to_many_sessions(kernels: Kernels) -> None:
    kernel = kernels.now
    async with served_by(kernels) as (served, _), open_client(served.url("a"), "v1") as client:
        identities = []
        for number in range(20):
            async with open_client(served.url(f"session-{number}"), "v1") as other:
                identities.append(await asked(other, kernel))
        await answered(client, kernel)
        kernel.linger = 60_000
        for identity, asking in identities:
            kernel.burst(message_on(Channel.SHELL, asking.header), 7_500, identity)
        await kernels.hang_up()
        await until_dead(client)


async def test_a_flood_of_a_kernel_that_is_left_for_another(
    kernels: Kernels, tmp_path: Path
) -> None:
    first = kernels.now
    (tmp_path / "other").mkdir()
    async with (
        served_by(kernels) as (served, _),
        open_client(served.url("a"), "v1") as client,
        kernels_in(tmp_path / "other") as others,
    ):
        await answered(client, first)
        others.now.session = "second"
        first.burst(message_on(Channel.IOPUB), 45_000, b"topic")
        first.connection_file.write_text(others.now.connection_file.read_text())
        async with within(60, "another kernel"):
            await client.until_state("restarting")
            await client.until_state("idle")
        await answered(client, others.now)

"""Networks and clients that fail, with real kernels: what is owed arrives all the same."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.client import execute_request, open_client, request, stdout
from tests.support.processes import W2z, launched, outlived, peak, running, w2z
from tools.soak import soak

SCRIPTED = Path(__file__).parents[2] / "benchmarks" / "kernel.py"

MIB = 2**20

STOPPED = 30
"""Seconds that w2z does not run."""

REAL = """
from IPython.display import display
for n in range(500):
    display({'text/plain': f'{n} ' + 'x' * 1_000_000}, raw=True)
"""


NUMBER = re.compile(rb'"(?:text|text/plain)":\s?"0*(\d+)[ x]')


async def follow(receive: Callable[[], object], found: list[bytes], last: int) -> None:
    """Add what is received up to the idle status of the ``last``-th request."""
    while last:
        payload = await receive()  # type: ignore[misc]
        if len(payload) < 4096 and b'"idle"' in payload and b"execute_request" in payload:
            last -= 1
        found.append(payload if len(payload) < 4096 else payload[:1200])


def numbers(payloads: list[bytes]) -> list[int]:
    return [int(found[1]) for payload in payloads if (found := NUMBER.search(payload))]


def dropped(payloads: list[bytes]) -> tuple[int, int]:
    """Gap notices, and how many messages they say are missing."""
    found = [re.search(rb"\[w2z\] (\d+) messages", payload) for payload in payloads]
    counts = [int(match[1]) for match in found if match]
    return len(counts), sum(counts)


# Output in quantity.


@pytest.mark.parametrize("options", [(), ("--spill-size", "0")])
async def test_a_kernel_faster_than_w2z_costs_no_more_memory_than_it_may(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    path, count = tmp_path / "kernel.json", 100_000
    async with (
        running(sys.executable, str(SCRIPTED), str(path)),
        # Room for what waits in libzmq where other programs have the processors, too.
        w2z(path, "--memory-budget", "300M", *options, development=False) as served,
        open_client(served.websocket("stalled"), "v1", max_queue=1) as slow,
        open_client(served.websocket("one"), "v1") as one,
        open_client(served.websocket("other"), "v1") as other,
    ):
        await served.ready()
        await one.send(execute_request(f"burst {count} 4096"))
        found: list[list[bytes]] = [[], []]
        async with asyncio.TaskGroup() as tasks:
            for client, payloads in zip((one, other), found, strict=True):
                tasks.create_task(follow(client.websocket.recv, payloads, 1))
        found.append([])
        await follow(slow.websocket.recv, found[-1], 1)
        for payloads in found:
            there = numbers(payloads)
            assert there == sorted(set(there))
            _, missing = dropped(payloads)
            assert len(there) + missing == count
            assert not (missing and not options), "there was room for everything"
        assert options == () or dropped(found[-1])[0] > 0
        assert peak(served) < 400 * MIB


async def test_what_comes_while_w2z_is_stopped_is_not_lost(served: W2z, tmp_path: Path) -> None:
    for pipe in ("go", "done"):
        os.mkfifo(tmp_path / pipe)
    go, done = (os.open(tmp_path / pipe, os.O_RDWR) for pipe in ("go", "done"))
    # As many as ipykernel's own socket keeps: it drops what comes on top of a thousand.
    code = f"""
from IPython.display import display
for n in range(900):
    display({{'text/plain': f'{{n}} x'}}, raw=True)
    if n == 0: open({str(tmp_path / "go")!r}).read(1)
open({str(tmp_path / "done")!r}, 'w').write('x');
"""
    # As browsers do, this client waits.
    async with open_client(served.websocket("a"), "v1", ping_interval=None) as client:
        await client.execute("1")
        process = psutil.Process(served.pid)
        process.suspend()
        asked = await client.send(execute_request("1 + 1"))
        process.resume()
        await client.finished(asked)
        asked = await client.send(execute_request(code))
        await client.until("display_data", asked)
        process.suspend()
        os.write(go, b"x")
        await asyncio.to_thread(os.read, done, 1)
        # For as long as a machine may sleep without a connection being given up.
        await outlived(tmp_path, STOPPED)
        process.resume()
        found = await client.finished(asked)
        shown = [
            int(m.content["data"]["text/plain"].split()[0]) for m in found if m.content.get("data")
        ]
        assert shown == list(range(1, 900))
    os.close(go)
    os.close(done)


async def test_a_client_that_floods_a_busy_kernel_holds_up_only_itself(
    served: W2z, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "go")
    go = os.open(tmp_path / "go", os.O_RDWR)
    filler = "x" * MIB
    async with (
        open_client(served.websocket("flooding"), "v1") as flooding,
        open_client(served.websocket("other"), "v1") as other,
    ):
        await flooding.execute("count = 0")
        asked = await flooding.send(execute_request(f"open({str(tmp_path / 'go')!r}).read(1)"))
        await flooding.until("status", asked)

        async def flood() -> None:
            for _ in range(200):
                cell = execute_request("count += 1", silent=True, store_history=False)
                await flooding.send({**cell, "metadata": {"filler": filler}})

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flood())
            for _ in range(100):
                asked = await other.send(request("kernel_info_request", {}, "control"))
                await other.until("kernel_info_reply", asked)
            os.write(go, b"x")
        assert peak(served) < 150 * MIB
        assert stdout(await flooding.execute("print(count)")) == "200\n"
    os.close(go)


async def test_a_hundred_clients_that_come_and_go_miss_nothing_and_leave_nothing(
    tmp_path: Path,
) -> None:
    before, after = await soak(tmp_path, iter(range(1, 7)), warm_up=3)
    assert after.files <= before.files + 5
    assert after.rss < before.rss + 8 * MIB


# The kernel's life.


async def test_a_kernel_restarted_while_a_client_catches_up(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", "--journal-size", "2000000") as served,
        served.rest() as rest,
        open_client(served.websocket("other"), "v1") as other,
    ):
        async with open_client(served.websocket("a"), "v1") as client:
            await client.execute("1")
        code = "for n in range(300): print(n, 'x' * 100_000, flush=True)"
        await other.execute(code)
        [model] = await rest.json("GET /api/kernels")
        path = f"/api/kernels/{model['id']}/restart"
        async with open_client(served.websocket("a"), "v1", max_queue=1) as client:
            seen = [await client.recv()]
            await rest.json(f"POST {path}")
            asked = await client.send(execute_request("print('again')"))
            while "again" not in seen[-1].content.get("text", ""):
                seen.append(await client.recv())
            found = [int(n) for n in re.findall(r"(\d+) x", stdout(seen))]
            assert found == list(range(300))
            await client.finished(asked)


# What goes to the kernel.


async def test_a_request_sent_again_after_a_reconnect_is_executed_once(served: W2z) -> None:
    counting = execute_request("counter = globals().get('counter', 0) + 1")
    async with open_client(served.websocket("a"), "v1") as client:
        await client.finished(await client.send(counting))
    async with open_client(served.websocket("a"), "v1") as client:
        await client.send(counting)
        assert stdout(await client.execute("print(counter)")) == "1\n"
        # A client that uses one msg_id for everything is executed every time. (ipykernel itself
        # ignores what is the same to the last byte.)
        same = execute_request("counter += 1")
        for number in range(2):
            await client.finished(await client.send({**same, "metadata": {"number": number}}))
        assert stdout(await client.execute("print(counter)")) == "3\n"


# No room for files.


async def test_a_file_system_that_takes_no_more_is_a_named_gap(kernel_file: Path) -> None:
    options = ("--journal-size", str(2 * MIB))
    async with (
        w2z(kernel_file, *options) as served,
        open_client(served.websocket("stalled"), "v1", max_queue=1) as slow,
        open_client(served.websocket("other"), "v1") as other,
    ):
        psutil.Process(served.pid).rlimit(psutil.RLIMIT_FSIZE, (5 * MIB, 5 * MIB))
        await slow.until("status")
        code = REAL.replace("1_000_000", "100_000")
        asked = await slow.send(execute_request(code))
        found: list[bytes] = []
        await other.collect("status", asked)
        await follow(other.websocket.recv, [], 1)
        await follow(slow.websocket.recv, found, 1)
        gaps, missing = dropped(found)
        assert gaps > 0
        assert len(numbers(found)) + missing == 500
        assert stdout(await slow.execute("print('still here')")) == "still here\n"
        trouble = [one for one in served.process.lines if "cannot keep output" in one]
        assert len(trouble) == 1

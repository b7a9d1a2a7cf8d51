"""Networks and clients that fail, with real kernels: what is owed arrives all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.support.client import (
    execute_request,
    open_client,
    stdout,
)
from tests.support.processes import W2z, launched, w2z

MIB = 2**20

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
            # What the first connection had not acknowledged may be the first kernel's own start.
            while seen[-1].msg_type != "shutdown_reply":
                seen.append(await client.recv())
            while seen[-1].content.get("execution_state") != "starting":
                seen.append(await client.recv())
            found = [int(n) for n in re.findall(r"(\d+) x", stdout(seen))]
            assert found == list(range(300))
            assert stdout(await client.execute("print('again')")) == "again\n"


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

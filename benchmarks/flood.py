"""``python -m benchmarks.flood``: what a client that reads nothing costs the others, and memory.

A kernel sends megabytes to three clients: in one run all of them read, in the next one does not
until the others have everything. The two alternate; printed are medians of the time the others
take, and the peak of w2z's resident memory. Whatever is missing at anybody ends it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.kernel import dump

ROUNDS = 3
TOKEN = uuid.uuid4().hex
NUMBER = re.compile(rb'"(?:text|text/plain)":\s?"0*(\d+)[ x]')
HEAD = 2000
"""Bytes of a message in which its number stands."""

REAL = """
from IPython.display import display
for n in range(500):
    display({'text/plain': f'{n} ' + 'x' * 1_000_000}, raw=True)
"""

KERNELS = {
    "ipykernel, 500 messages of 1 MB": (
        (sys.executable, "-m", "ipykernel_launcher", "-f"),
        REAL,
        500,
    ),
    "scripted kernel, 150,000 messages of 4 kB": (
        (sys.executable, str(Path(__file__).with_name("kernel.py"))),
        "burst 150000 4096",
        150_000,
    ),
}


@asynccontextmanager
async def process(*command: str, **options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is ended at the end of the block."""
    started = await asyncio.create_subprocess_exec(*command, **options)  # type: ignore[arg-type]
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
            await started.wait()


def request(code: str) -> tuple[bytes, str]:
    """An execute_request as a payload of the default format, and its msg_id."""
    msg_id = uuid.uuid4().hex
    header = {"msg_id": msg_id, "msg_type": "execute_request", "session": "flood", "version": "5.4"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    return dump({**message, "channel": "shell"}), msg_id


async def follow(websocket: ClientConnection, parent: str) -> tuple[int, float]:
    """How many numbers came, all in order, and when the idle did."""
    expected = 0
    async for payload in websocket:
        text = payload if isinstance(payload, bytes) else payload.encode()
        if len(text) < 3 * HEAD and b'"idle"' in text and parent.encode() in text:
            break
        found = NUMBER.search(text[:HEAD])
        if found and int(found[1]) == expected:
            expected += 1
    return expected, time.perf_counter()


def peak(pid: int) -> int:
    """The most memory a process has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found, status
    return int(found[1]) * 1024 // 10**6


async def run(kernel: tuple[str, ...], code: str, stalls: bool) -> tuple[float, int, set[int]]:
    """Seconds of the two fast clients, peak memory in MB, and how much each client got."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "kernel.json"
        environment = {**os.environ, "W2Z_TOKEN": TOKEN, "IPYTHONDIR": str(folder)}
        silent = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
        await stack.enter_async_context(process(*kernel, str(file), env=environment, **silent))
        command = (
            "-m",
            "w2z",
            "--connection-file",
            str(file),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        )
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL}
        served = await stack.enter_async_context(
            process(sys.executable, *command, env=environment, **pipes)
        )
        assert served.stdout is not None
        said = (await served.stdout.readline()).decode()
        found = re.search(r"http(://\S+)", said)
        assert found, said
        url = f"ws{found[1]}channels?token={TOKEN}&session_id="
        clients = [
            await stack.enter_async_context(
                connect(url + name, max_size=None, compression=None, max_queue=1)
            )
            for name in ("one", "two", "three")
        ]
        payload, parent = request(code)
        begin = time.perf_counter()
        await clients[0].send(payload.decode())
        reading = clients[:2] if stalls else clients
        got = await asyncio.gather(*(follow(client, parent) for client in reading))
        seconds = max(when for _, when in got[:2]) - begin
        if stalls:
            got.append(await follow(clients[2], parent))
        return seconds, peak(served.pid), {count for count, _ in got}


async def main() -> None:
    for title, (kernel, code, count) in KERNELS.items():
        seconds: dict[bool, list[float]] = {False: [], True: []}
        peaks: dict[bool, list[int]] = {False: [], True: []}
        for _ in range(ROUNDS):
            for stalls in (False, True):
                took, memory, counts = await run(kernel, code, stalls)
                assert counts == {count}, f"{counts} of {count} arrived"
                seconds[stalls].append(took)
                peaks[stalls].append(memory)
        medians = {stalls: statistics.median(seconds[stalls]) for stalls in seconds}
        print(
            f"{title}, to three clients (medians of {ROUNDS}; MB: the highest peak)\n"
            f"  all read         {medians[False]:6.2f} s  {max(peaks[False]):4} MB\n"
            f"  one reads late   {medians[True]:6.2f} s  {max(peaks[True]):4} MB\n"
            f"  speed of the others, to that when all read: {medians[False] / medians[True]:.2f}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())

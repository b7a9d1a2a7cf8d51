"""The rows: what is measured, in which unit, in interleaved rounds.

A round measures every peer once, and the next round begins: what else the machine does meets all
of them alike. A figure is the median over the rounds.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from benchmarks import peers
from benchmarks.client import (
    ClientFailed,
    Link,
    Memory,
    frame,
    numbers_in,
    record,
    request_parts,
)

QUIET = 0.2
"""Seconds of silence before a measurement: statuses of connecting are through by then."""

MESSAGE_ROOM = 1536
"""Bytes of memory for each 100-byte message, headers of a real kernel included."""

TEXT_SIZE = 100
ECHOED: dict[str, object] = {"text": "x" * TEXT_SIZE}
MARK = 1000
"""ZMQ's default high-water mark, which real kernels keep."""

PACE = 30_000
FAN_OUT = 10


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int = 5
    burst: int = 50_000
    fan_out_burst: int = 3_000
    prints: int = 2_500
    echoes: int = 800
    slow_echoes: int = 12
    connect_seconds: float = 0.4


QUICK = Size(
    rounds=2,
    burst=10_000,
    fan_out_burst=1_000,
    prints=1_000,
    echoes=200,
    slow_echoes=5,
    connect_seconds=0.2,
)

ROWS: dict[str, tuple[str, str]] = {
    "burst rate": ("iopub, 100-byte messages: rate", "msg/s"),
    "burst loss": ("— lost", "%"),
    "burst cpu": ("— CPU of the bridge a message", "µs"),
    "paced loss": (f"iopub, {PACE:,} msg/s from a kernel with a mark of {MARK:,}: lost", "%"),
    "fan-out rate": (f"iopub to {FAN_OUT} clients: rate, all together", "msg/s"),
    "fan-out loss": ("— lost", "%"),
    "fan-out cpu": ("— CPU of the bridge a delivered message", "µs"),
    "echo p50": ("echo on shell: round trip, p50", "µs"),
    "echo p95": ("— p95", "µs"),
    "info p50": ("kernel_info: round trip, p50 (see note)", "µs"),
    "info quick-ack p50": ("— p50, client with TCP_QUICKACK", "µs"),
    "connects": ("websockets opened, one after the other", "1/s"),
    "start": ("process start to listening", "s"),
    "rss": ("memory (RSS), idle", "MB"),
    "rss after": ("— after the bursts above", "MB"),
    "real rate": ("real ipykernel, flushed prints: rate (kernel-bound)", "msg/s"),
    "real loss": ("— lost", "%"),
    "real cpu": ("— CPU of the bridge a message", "µs"),
}
"""Title and unit of each row, in the order of the table."""


@dataclass
class Figures:
    """All samples, by row and peer. ``disorder`` names who delivered twice or out of order."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    disorder: set[str] = field(default_factory=set)

    def add(self, row: str, peer: str, value: float) -> None:
        if row in ROWS:
            self.samples.setdefault(row, {}).setdefault(peer, []).append(value)

    def median(self, row: str, peer: str) -> float | None:
        values = self.samples.get(row, {}).get(peer)
        return statistics.median(values) if values else None

    def add_streams(self, row: str, peer: str, numbers: list[int]) -> None:
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            self.disorder.add(f"{peer} ({row})")


class Bench:
    """One run of everything."""

    def __init__(self, size: Size, folder: Path, tell: Callable[[str], None]) -> None:
        self.figures = Figures()
        self._size = size
        self._box = peers.Box(folder)
        self._tell = tell
        self._memory = Memory()
        self._own = psutil.Process(os.getpid())

    def run(self) -> None:
        self._start_up()
        with self._bridges(self._box.scripted_kernel) as (raw, bridges):
            for title, one_round in (
                ("bursts", self._burst),
                ("fan-out", self._fan_out),
                ("round trips", self._round_trips),
                ("connects", self._connects),
            ):
                self._tell(title)
                for _ in range(self._size.rounds):
                    one_round(raw, bridges)
            for bridge in bridges:
                self._add("rss after", bridge.name, bridge.process.memory_info().rss / 1e6)
        self._tell("a kernel with a mark")
        with self._bridges(lambda: self._box.scripted_kernel(MARK)) as (raw, bridges):
            for _ in range(self._size.rounds):
                self._paced(raw, bridges)
        self._tell("a real kernel")
        with self._bridges(self._box.ipykernel) as (raw, bridges):
            for _ in range(self._size.rounds):
                self._prints(raw, bridges)

    @contextlib.contextmanager
    def _bridges(
        self, kernel: Callable[[], contextlib.AbstractContextManager[Path]]
    ) -> Iterator[tuple[peers.Raw, list[peers.Bridge]]]:
        """Every peer, each with a kernel of its own."""
        with contextlib.ExitStack() as stack:
            raw = peers.Raw(stack.enter_context(kernel()))
            stack.callback(raw.close)
            bridges = []
            for name in peers.names()[1:]:
                bridge, _ = stack.enter_context(
                    self._box.bridge(name, stack.enter_context(kernel()))
                )
                bridges.append(bridge)
                with bridge.connect() as link:
                    link.settle(2 * QUIET)
            yield raw, bridges

    def _add(self, row: str, peer: str, value: float) -> None:
        self.figures.add(row, peer, value)

    def _start_up(self) -> None:
        self._tell("start-up")
        with self._box.scripted_kernel() as connection_file:
            for _ in range(self._size.rounds):
                for name in peers.names()[1:]:
                    with self._box.bridge(name, connection_file) as (bridge, seconds):
                        time.sleep(0.5)
                        self._add("start", name, seconds)
                        self._add("rss", name, bridge.process.memory_info().rss / 1e6)

    def _burst(self, raw: peers.Raw, bridges: list[peers.Bridge]) -> None:
        self._stream(
            "burst", raw, bridges, f"burst {self._size.burst} {TEXT_SIZE}", self._size.burst
        )

    def _paced(self, raw: peers.Raw, bridges: list[peers.Bridge]) -> None:
        code = f"burst {PACE} {TEXT_SIZE} {PACE}"
        self._stream("paced", raw, bridges, code, PACE)

    def _prints(self, raw: peers.Raw, bridges: list[peers.Bridge]) -> None:
        code = f"for i in range({self._size.prints}): print(i, flush=True)"
        self._stream("real", raw, bridges, code, self._size.prints)

    def _stream(
        self, row: str, raw: peers.Raw, bridges: list[peers.Bridge], code: str, count: int
    ) -> None:
        """``count`` numbered messages to one client of each peer."""
        raw.settle(QUIET)
        cpu = peers.cpu_seconds(self._own)
        seconds, contents = raw.record(code)
        cpu = peers.cpu_seconds(self._own) - cpu
        numbers = [number for content in contents for number in numbers_in(content)]
        self._add_stream(row, peers.RAW, count, [numbers], seconds=seconds, cpu=cpu)
        for bridge in bridges:
            self._record(row, bridge, 1, code, count)

    def _fan_out(self, _: peers.Raw, bridges: list[peers.Bridge]) -> None:
        """A burst to :data:`FAN_OUT` clients; rate and CPU count each client's copy."""
        count = self._size.fan_out_burst
        for bridge in bridges:
            self._record("fan-out", bridge, FAN_OUT, f"burst {count} {TEXT_SIZE}", count)

    def _record(self, row: str, bridge: peers.Bridge, clients: int, code: str, count: int) -> None:
        with contextlib.ExitStack() as stack:
            links = [stack.enter_context(bridge.connect()) for _ in range(clients)]
            for link in links:
                link.settle(QUIET if link is links[0] else 0.01)
            cpu = bridge.cpu()
            recordings = record(links, code, self._memory, MESSAGE_ROOM * (count + 20))
            cpu = bridge.cpu() - cpu
        begin = min(recording.first for recording in recordings)
        seconds = max(recording.last for recording in recordings) - begin
        numbers = [recording.streams() for recording in recordings]
        self._add_stream(row, bridge.name, count, numbers, seconds=seconds, cpu=cpu)

    def _add_stream(
        self,
        row: str,
        peer: str,
        count: int,
        numbers: list[list[int]],
        *,
        seconds: float,
        cpu: float,
    ) -> None:
        delivered = sum(map(len, numbers))
        if not delivered:
            raise ClientFailed(f"{peer} delivered nothing ({row})")
        self._add(f"{row} rate", peer, delivered / seconds)
        self._add(f"{row} loss", peer, 100 * (1 - delivered / (count * len(numbers))))
        self._add(f"{row} cpu", peer, 1e6 * cpu / delivered)
        for of_one in numbers:
            self.figures.add_streams(row, peer, of_one)

    def _round_trips(self, raw: peers.Raw, bridges: list[peers.Bridge]) -> None:
        raw.settle(QUIET)
        request = raw.multipart(request_parts("echo", ECHOED))
        self._add_trips("echo", peers.RAW, self._size.echoes, lambda: raw.round_trip(request))
        request = raw.multipart(request_parts("kernel_info_request", {}))
        self._add_trips("info", peers.RAW, self._size.slow_echoes, lambda: raw.round_trip(request))
        for bridge in bridges:
            with bridge.connect() as link:
                link.settle(QUIET)
                self._trips_of(bridge.name, link)

    def _trips_of(self, name: str, link: Link) -> None:
        few = self._size.slow_echoes
        # Each with an id of its own: w2z takes one that comes again before idle for a repeat.
        self._add_trips(
            "echo", name, self._size.echoes, lambda: link.round_trip(_echo(), b'"echo_reply"')
        )
        marker = b'"kernel_info_reply"'
        self._add_trips("info", name, few, lambda: link.round_trip(_info(), marker))
        self._add_trips(
            "info quick-ack", name, few, lambda: link.round_trip(_info(), marker, quick_ack=True)
        )

    def _add_trips(self, row: str, peer: str, count: int, trip: Callable[[], float]) -> None:
        seconds = sorted(trip() for _ in range(count))
        self._add(f"{row} p50", peer, 1e6 * seconds[count // 2])
        self._add(f"{row} p95", peer, 1e6 * seconds[count * 95 // 100])

    def _connects(self, _: peers.Raw, bridges: list[peers.Bridge]) -> None:
        for bridge in bridges:
            done = 0
            begin = now = time.perf_counter()
            while now - begin < self._size.connect_seconds:
                bridge.connect().close()
                done += 1
                now = time.perf_counter()
            self._add("connects", bridge.name, done / (now - begin))
            time.sleep(QUIET)


def _echo() -> bytes:
    return frame(b"shell", request_parts("echo", ECHOED))


def _info() -> bytes:
    return frame(b"shell", request_parts("kernel_info_request", {}))


def measure(size: Size, tell: Callable[[str], None]) -> Figures:
    """Measure every row; nothing is left behind, on disk or running."""
    with tempfile.TemporaryDirectory(prefix="w2z-benchmarks-") as folder:
        bench = Bench(size, Path(folder), tell)
        bench.run()
        return bench.figures

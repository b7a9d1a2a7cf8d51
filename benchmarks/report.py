"""The table, the targets, and how not to misread either."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from benchmarks.measure import FAN_OUT, PACE, ROWS, Figures, Size
from benchmarks.peers import JUPYTER_SERVER, RAW, W2Z, names

NOTES = f"""\
How to read this

- The source, the bridge (two threads) and the client share the cores. With two, the fast rows end
  where the cores do, not where the bridge does: compare CPU a message before rates. Other load
  moves both, rates more. Ratios travel to other machines, absolute figures do not.
- A rate counts what arrived, CPU a message is for each message that arrived. The scripted kernel
  of the fast rows queues without limit, so that nobody is blamed for what it could not send, and
  a slow bridge loses nothing there. Real kernels queue 1,000 messages for each bridge (ZMQ's
  default mark) and drop the rest; "{PACE:,} msg/s" shows what that means. It is far
  more than the real ipykernel below prints.
- "real ipykernel": the kernel is the bottleneck, so bridges deliver much the same rate, as far as
  they leave it the CPU; that differences are small there is the finding. What a user gains is CPU,
  memory and fan-out, not speed. Messages that come one by one cost each bridge several times what
  messages in a burst do, which share wake-ups and writes.
- kernel_info: jupyter_server writes the kernel's busy status and its reply one after the other, and
  its socket has Nagle's algorithm on, so the second waits until the client's kernel acknowledges
  the first, which it delays by about 40 ms. A client that acknowledges at once (TCP_QUICKACK, the
  row below) does not see this. It says nothing of how fast jupyter_server works: never quote that
  row alone. w2z sets TCP_NODELAY.
- A websocket counts as opened when the 101 answer is there. jupyter_server opens sockets to the
  kernel and asks it whether it is alive ("nudge") for each, w2z only opens sockets.
- jupyter_server is attached to a kernel it did not start (allow_external_kernels), over v1, with
  its rate limits off, without terminals and with logging off. With its own kernels, its default
  limits and the default format it does more work a message. The client is the same for all.
- raw pyzmq is a Python client straight on the kernel's sockets, whose CPU is its own; it checks no
  signatures, w2z checks all of them. Fan-out: {FAN_OUT} websockets in one client process.
- w2z is on plain asyncio unless it says uvloop; targets are for plain asyncio. MB are 10^6 bytes;
  RSS counts pages that processes share, too. A burst leaves any process larger: w2z holds what it
  took from the kernel too fast for the client, where the kernel can drop it no more; a slower
  reader leaves it in the kernel, whose queue has no limit here.
"""


@dataclass(frozen=True)
class Target:
    """What w2z has to reach: ``value`` of the figures against ``limit``."""

    text: str
    value: Callable[[Figures], float]
    limit: float
    at_least: bool = False

    def is_met(self, figures: Figures) -> bool:
        value = self.value(figures)
        return value >= self.limit if self.at_least else value <= self.limit


def _of(row: str, peer: str = W2Z) -> Callable[[Figures], float]:
    return lambda figures: figures.median(row, peer) or 0.0


def _ratio(row: str, peer: str) -> Callable[[Figures], float]:
    return lambda figures: (figures.median(row, W2Z) or 0.0) / (figures.median(row, peer) or 1.0)


TARGETS = (
    Target("iopub rate, times jupyter_server's", _ratio("burst rate", JUPYTER_SERVER), 4, True),
    Target("CPU a message, times jupyter_server's", _ratio("burst cpu", JUPYTER_SERVER), 0.2),
    Target("echo p50, times raw pyzmq's", _ratio("echo p50", RAW), 2.5),
    Target("echo p50, times jupyter_server's", _ratio("echo p50", JUPYTER_SERVER), 1),
    Target("process start to listening, s", _of("start"), 0.25),
    Target("memory (RSS) idle, MB", _of("rss"), 36),
    Target("iopub messages lost, %", _of("burst loss"), 0),
    Target(f"iopub messages lost at {PACE:,} msg/s, %", _of("paced loss"), 0),
)


def text(figures: Figures, size: Size) -> str:
    """Everything, as Markdown."""
    packages = ("pyzmq", "websockets", "uvloop", "jupyter_server", "ipykernel")
    where = environment(size.rounds, packages)
    parts = [where, "\n".join(_table(figures)), "\n".join(_targets(figures))]
    if figures.disorder:
        parts.append("Delivered twice or out of order: " + ", ".join(sorted(figures.disorder)))
    return "\n\n".join([*parts, NOTES])


def environment(rounds: int, packages: Iterable[str]) -> str:
    """What was measured with: rounds, machine and versions."""
    found = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"Medians of {rounds} interleaved rounds; {os.cpu_count()} cores,"
        f" {platform.system()}, Python {platform.python_version()}, {found}."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _table(figures: Figures) -> Iterator[str]:
    peers = names()
    heads = ["", "unit", *peers, "w2z : jupyter_server", "w2z : raw"]
    rows = [heads, [":--", ":--", *["--:"] * (len(heads) - 2)]]
    for row, (title, unit) in ROWS.items():
        values = [figures.median(row, peer) for peer in peers]
        ratios = [_against(figures, row, peer) for peer in (JUPYTER_SERVER, RAW)]
        rows.append([title, unit, *map(number, values), *ratios])
    yield from aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, of which two columns are text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        padded = (
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield f"| {' | '.join(padded)} |"


def _against(figures: Figures, row: str, peer: str) -> str:
    ours, theirs = figures.median(row, W2Z), figures.median(row, peer)
    if not theirs or ours is None or row.endswith("loss"):
        return ""
    return ratio(ours / theirs)


def ratio(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def number(value: float | None) -> str:
    """A figure as the tables show it."""
    if value is None:
        return "-"
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _targets(figures: Figures) -> Iterator[str]:
    for target in TARGETS:
        verdict = "met    " if target.is_met(figures) else "NOT MET"
        sign = ">=" if target.at_least else "<="
        yield f"{verdict}  {target.text}: {target.value(figures):.3g} ({sign} {target.limit:g})"

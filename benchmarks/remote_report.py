"""The table of frontends with a remote kernel, its targets, and how to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.remote import (
    ATTACH,
    GATEWAY,
    LOCAL,
    MANAGER,
    ROWS,
    WAYS,
    RemoteFigures,
    RemoteSize,
)
from benchmarks.report import aligned, environment, number, ratio

PACKAGES = ("jupyter_client", "jupyter_server", "jupyter_kernel_client", "pyzmq", "ipykernel")

NOTES = """\
How to read this

- Each way is a Python process of its own, by turns. In brackets: times local. w2z and the kernels
  are on the same machine, so a network adds its own round trip to all but local.
- "local": jupyter_client's own manager and blocking client. "w2z attach": the same, on a kernelspec
  that `w2z kernelspec install` wrote. "w2z manager": WebsocketKernelManager, attached in a thread,
  and the same client. GatewayKernelManager is jupyter_server's; its websocket sends no token, so
  the w2z behind it asks for none. jupyter_kernel_client has classes of its own.
- Start to ready: from the start until the first reply, imports done. Local starts a kernel; the
  others find one that runs, and for attach a Python process starts.
- Memory: "private" is what that process has in memory and no other (USS).
- CPU while the kernel sleeps: of the frontend's process and of the one in between, during one cell
  of {sleep:g} seconds, not of a minute. w2z's own is not in it.
- The scripted kernel answers at once: a round trip is nothing but the way to it, and attach's leads
  through two processes more, each of which checks and makes signatures. That is the worst case. A
  real kernel takes some milliseconds by itself.
"""


@dataclass(frozen=True)
class Target:
    """What a way has to reach at most."""

    text: str
    value: Callable[[RemoteFigures], float]
    limit: float


def _ratio(row: str, way: str, other: str) -> Callable[[RemoteFigures], float]:
    return lambda figures: (figures.median(row, way) or 0.0) / (figures.median(row, other) or 1.0)


TARGETS = (
    Target("attach, execute by ipykernel, times local", _ratio("execute", ATTACH, LOCAL), 1.6),
    Target("attach, kernel_info at once, times local", _ratio("info", ATTACH, LOCAL), 1.6),
    Target("manager, start to ready, s", lambda found: found.median("start", MANAGER) or 0.0, 0.3),
    Target("attach, CPU while waiting, times gateway", _ratio("cpu", ATTACH, GATEWAY), 0.02),
    Target("manager, CPU while waiting, times gateway", _ratio("cpu", MANAGER, GATEWAY), 0.02),
    Target(
        "attach, private memory, MB", lambda found: found.median("helper uss", ATTACH) or 0.0, 29
    ),
)


def text(figures: RemoteFigures, size: RemoteSize) -> str:
    """Everything, as Markdown."""
    where = environment(size.rounds, PACKAGES)
    notes = NOTES.format(sleep=size.sleep)
    return "\n\n".join([where, "\n".join(_table(figures)), "\n".join(_targets(figures)), notes])


def _table(figures: RemoteFigures) -> Iterator[str]:
    heads = ["", "unit", *WAYS]
    rows = [heads, [":--", ":--", *["--:"] * len(WAYS)]]
    for row, (title, unit) in ROWS.items():
        rows.append([title, unit, *(_cell(figures, row, way) for way in WAYS)])
    return aligned(rows)


def _cell(figures: RemoteFigures, row: str, way: str) -> str:
    value, local = figures.median(row, way), figures.median(row, LOCAL)
    if value is None or not local or way == LOCAL:
        return number(value)
    return f"{number(value)} ({ratio(value / local)})"


def _targets(figures: RemoteFigures) -> Iterator[str]:
    for target in TARGETS:
        value = target.value(figures)
        verdict = "met    " if value <= target.limit else "NOT MET"
        yield f"{verdict}  {target.text}: {value:.3g} (<= {target.limit:g})"

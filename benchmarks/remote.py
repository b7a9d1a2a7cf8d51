"""Frontends with a remote kernel: what each way to it costs, beside a local kernel.

Every way is a process of its own (:mod:`benchmarks.frontend`), one at a time. A round measures each
of them once, so that what else the machine does meets all of them alike. A figure is the median
over the rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import kernel as scripted
from benchmarks.peers import TOKEN, W2Z, Box, Bridge
from benchmarks.place import Place

LOCAL = "local"
ATTACH = "w2z attach"
MANAGER = "w2z manager"
GATEWAY = "GatewayKernelManager"
KERNEL_CLIENT = "jupyter_kernel_client"

WAYS = {
    LOCAL: "by_kernelspec",
    ATTACH: "by_kernelspec",
    MANAGER: "by_manager",
    GATEWAY: "by_gateway",
    KERNEL_CLIENT: "by_kernel_client",
}
"""The ways, and the module of :mod:`benchmarks.frontends` that opens each."""

ROWS: dict[str, tuple[str, str]] = {
    "start": ("start to ready, ipykernel", "s"),
    "rss": ("memory (RSS) of the frontend's process", "MB"),
    "helper rss": ("— of the process in between", "MB"),
    "helper uss": ("— private to it", "MB"),
    "cpu": ("CPU while the kernel sleeps, of both", "ms/s"),
    "info": ("kernel_info of the scripted kernel: round trip, p50", "µs"),
    "execute": ("execute of no code by ipykernel: round trip, p50", "µs"),
}
"""Title and unit of each row, in the order of the table."""

ENDS_WITHIN = 120.0


@dataclass(frozen=True)
class RemoteSize:
    """How much is measured; the kernel sleeps in ``sleeps`` of the rounds."""

    rounds: int = 5
    trips: int = 300
    sleep: float = 10.0
    sleeps: int = 2


REMOTE_QUICK = RemoteSize(rounds=2, trips=100, sleep=2.0, sleeps=1)


@dataclass
class RemoteFigures:
    """All samples, by row and way."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, row: str, way: str, value: float) -> None:
        self.samples.setdefault(row, {}).setdefault(way, []).append(value)

    def median(self, row: str, way: str) -> float | None:
        values = self.samples.get(row, {}).get(way)
        return statistics.median(values) if values else None


class RemoteBench:
    """One run of everything, in an empty folder."""

    def __init__(self, size: RemoteSize, folder: Path, tell: Callable[[str], None]) -> None:
        self.figures = RemoteFigures()
        self._size = size
        self._folder = folder
        self._box = Box(folder)
        self._tell = tell
        names = ("HOME", "XDG_CONFIG_HOME", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")
        there = {name: str(folder / name.lower()) for name in (*names, "JUPYTER_RUNTIME_DIR")}
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("W2Z_", "JUPYTER_"))}
        self._environment = clean | there

    def run(self) -> None:
        self._install_scripted()
        with self._places(self._box.ipykernel, "python3") as places:
            for number in range(self._size.rounds):
                self._tell(f"frontends, round {number + 1} of {self._size.rounds}")
                seconds = self._size.sleep if number < self._size.sleeps else 0
                for way in WAYS:
                    told = self._measured(way, places, "execute", seconds)
                    self._add(way, told, seconds)
        self._tell("frontends, round trips")
        with self._places(self._box.scripted_kernel, "scripted") as places:
            for _ in range(self._size.rounds):
                for way in WAYS:
                    told = self._measured(way, places, "kernel_info", 0)
                    self.figures.add("info", way, 1e6 * statistics.median(told["trips"]))

    def _add(self, way: str, told: Mapping[str, Any], seconds: float) -> None:
        add = self.figures.add
        add("start", way, told["start"])
        add("rss", way, told["rss"] / 1e6)
        for kind in ("rss", "uss"):
            if f"helper_{kind}" in told:
                add(f"helper {kind}", way, told[f"helper_{kind}"] / 1e6)
        if seconds:
            add("cpu", way, 1e3 * told["cpu"] / seconds)
        add("execute", way, 1e6 * statistics.median(told["trips"]))

    @contextlib.contextmanager
    def _places(
        self, kernel: Callable[[], contextlib.AbstractContextManager[Path]], kernelspec: str
    ) -> Iterator[dict[str, Place]]:
        """Where each way finds its kernel: behind a w2z, and behind one that asks for no token."""
        with contextlib.ExitStack() as stack:
            behind, _ = stack.enter_context(self._box.bridge(W2Z, stack.enter_context(kernel())))
            openly, _ = stack.enter_context(
                self._box.bridge(W2Z, stack.enter_context(kernel()), is_open=True)
            )
            place = Place(kernelspec, _url(behind), TOKEN)
            far = f"far-{kernelspec}"
            install = ("kernelspec", "install", far, "--url", place.url)
            self._run("-m", "w2z", *install, env={"W2Z_TOKEN": TOKEN})
            yield {
                LOCAL: place,
                ATTACH: Place(far, place.url, ""),
                MANAGER: place,
                GATEWAY: Place("", _url(openly), ""),
                KERNEL_CLIENT: place,
            }

    def _measured(
        self, way: str, places: Mapping[str, Place], request: str, seconds: float
    ) -> dict[str, Any]:
        place = places[way]
        gateway = {"JUPYTER_GATEWAY_URL": place.url.rstrip("/")} if way == GATEWAY else {}
        what = (WAYS[way], json.dumps(asdict(place)), request, str(self._size.trips), str(seconds))
        told: dict[str, Any] = json.loads(
            self._run("-m", "benchmarks.frontend", *what, env=gateway).splitlines()[-1]
        )
        return told

    def _run(self, *arguments: str, env: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[1],
            env=self._environment | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def _install_scripted(self) -> None:
        folder = Path(self._environment["JUPYTER_DATA_DIR"]) / "kernels" / "scripted"
        folder.mkdir(parents=True)
        argv = [sys.executable, str(Path(scripted.__file__)), "{connection_file}"]
        spec = {"argv": argv, "display_name": "scripted", "language": "none"}
        (folder / "kernel.json").write_text(json.dumps(spec))


def _url(bridge: Bridge) -> str:
    return f"http://127.0.0.1:{bridge.port}/"


def measure(size: RemoteSize, tell: Callable[[str], None]) -> RemoteFigures:
    """Measure every row; nothing is left behind, on disk or running."""
    with tempfile.TemporaryDirectory(prefix="w2z-benchmarks-") as folder:
        bench = RemoteBench(size, Path(folder), tell)
        bench.run()
        return bench.figures

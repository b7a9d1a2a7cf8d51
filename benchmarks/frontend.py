"""``python -m benchmarks.frontend MODULE PLACE REQUEST TRIPS SECONDS``: one way, measured.

Prints one JSON object: ``start``, the seconds from opening until ready, all imports done; ``rss``,
``helper_rss`` and ``helper_uss`` in bytes; ``trips``, the seconds that each REQUEST took; and with
SECONDS > 0 also ``cpu``, the CPU seconds of this process and its helper while the kernel slept so
long.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import psutil

from benchmarks.peers import cpu_seconds
from benchmarks.place import Opened, Place

REQUESTS: dict[str, tuple[str, ...]] = {"kernel_info": (), "execute": ("",)}
"""What can be asked, with its content; ``execute`` runs no code at all."""

WARM_UP = 20


def main() -> None:
    module, place, request, trips, seconds = sys.argv[1:]
    way = importlib.import_module(f"benchmarks.frontends.{module}")
    begin = time.perf_counter()
    with way.opened(Place(**json.loads(place))) as opened:
        told: dict[str, Any] = {"start": time.perf_counter() - begin}
        told |= _measured(opened, request, int(trips), float(seconds))
        # Before the end, which takes some of them seconds.
        print(json.dumps(told), flush=True)


def _measured(opened: Opened, request: str, trips: int, seconds: float) -> dict[str, Any]:
    own = psutil.Process()
    helper = None if opened.helper is None else psutil.Process(opened.helper)
    told: dict[str, Any] = {"rss": own.memory_info().rss}
    if helper is not None:
        memory = helper.memory_full_info()
        told |= {"helper_rss": memory.rss, "helper_uss": memory.uss}
    told["trips"] = _trips(opened, request, trips)
    if seconds:
        processes = [own, *([] if helper is None else [helper])]
        used = sum(map(cpu_seconds, processes))
        opened.trip("execute", f"import time; time.sleep({seconds})")
        told["cpu"] = sum(map(cpu_seconds, processes)) - used
    return told


def _trips(opened: Opened, name: str, count: int) -> list[float]:
    taken = []
    for _ in range(WARM_UP + count):
        begin = time.perf_counter()
        opened.trip(name, *REQUESTS[name])
        taken.append(time.perf_counter() - begin)
    return taken[WARM_UP:]


if __name__ == "__main__":
    main()

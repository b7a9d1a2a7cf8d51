"""``python -m benchmarks [--quick] [--only TABLE] [--json FILE]``."""

from __future__ import annotations

import argparse
import compileall
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import w2z
from benchmarks import measure, remote, remote_report, report

TABLES = ("bridges", "remote")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description="w2z against its peers")
    parser.add_argument("--quick", action="store_true", help="rough figures in under two minutes")
    parser.add_argument("--only", choices=TABLES, help="measure one of the two tables")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, too")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # As after an installation: nobody compiles w2z at each start.
    compileall.compile_dir(Path(w2z.__file__).parent, quiet=1)
    begin = time.monotonic()
    made = {table: _made(table, quick=options.quick) for table in _chosen(options.only)}
    if options.quick:
        print("--quick: too few and too short runs to quote.")
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    if options.json is not None:
        options.json.write_text(json.dumps(made, indent=1))


def _chosen(only: str | None) -> Sequence[str]:
    return TABLES if only is None else [only]


def _made(table: str, *, quick: bool) -> dict[str, Any]:
    """Measure and print one table; what it is made of."""
    if table == "bridges":
        size = measure.QUICK if quick else measure.Size()
        figures = measure.measure(size, _tell)
        print(report.text(figures, size))
        return {"size": asdict(size), "rows": measure.ROWS, "samples": figures.samples}
    far = remote.REMOTE_QUICK if quick else remote.RemoteSize()
    found = remote.measure(far, _tell)
    print(remote_report.text(found, far))
    return {"size": asdict(far), "rows": remote.ROWS, "samples": found.samples}


def _tell(title: str) -> None:
    print(f"{title} ...", file=sys.stderr)


def _leave(number: int, _: FrameType | None) -> None:
    """End by way of every ``finally``, so that no process stays behind."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()

"""``python -m benchmarks [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import compileall
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import w2z
from benchmarks import report
from benchmarks.measure import QUICK, ROWS, Size, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description="w2z against its peers")
    parser.add_argument("--quick", action="store_true", help="rough figures in under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there, too")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    size = QUICK if options.quick else Size()
    # As after an installation: nobody compiles w2z at each start.
    compileall.compile_dir(Path(w2z.__file__).parent, quiet=1)
    begin = time.monotonic()
    figures = measure(size, lambda title: print(f"{title} ...", file=sys.stderr))
    print(report.text(figures, size))
    if options.quick:
        print("--quick: too few and too short runs to quote.")
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    if options.json is not None:
        content = {"size": asdict(size), "rows": ROWS, "samples": figures.samples}
        options.json.write_text(json.dumps(content, indent=1))


def _leave(number: int, _: FrameType | None) -> None:
    """End by way of every ``finally``, so that no process stays behind."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()

"""Run fuzzers: ``python -m tests.fuzz [--inputs N | --seconds S] [--seed X] [NAME ...]``.

The inputs, or seconds, are shared out among the fuzzers. It ends with 1 when one of them finds
something, and prints the seed, which makes the same inputs again, and the smallest input.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence

from tests.fuzz.codecs import DefaultFuzzer, V1Fuzzer
from tests.fuzz.connection_files import ConnectionFileFuzzer
from tests.fuzz.door import CrowdFuzzer, DoorFuzzer, OpenDoorFuzzer
from tests.fuzz.frame_reader import FrameFuzzer
from tests.fuzz.kernel_side import MultipartFuzzer, StateFuzzer
from tests.fuzz.run import Course, Fuzzer, run

FUZZERS: dict[str, type[Fuzzer]] = {
    kind.name: kind
    for kind in (
        *(DoorFuzzer, OpenDoorFuzzer, CrowdFuzzer, V1Fuzzer, DefaultFuzzer),
        *(FrameFuzzer, MultipartFuzzer, StateFuzzer, ConnectionFileFuzzer),
    )
}

SHOWN = 6
"""Outcomes that are printed: the most frequent ones."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--inputs", type=int, help="in sum")
    amount.add_argument("--seconds", type=float, default=60.0, help="in sum")
    parser.add_argument("--seed", help="of an earlier run; by default another one each time")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(FUZZERS)}")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(FUZZERS):
        parser.error(f"there is no fuzzer {unknown.pop()!r}: {', '.join(FUZZERS)}")
    seed = asked.seed or secrets.token_hex(4)
    kinds = [FUZZERS[name] for name in asked.names or FUZZERS]
    shares = sum(kind.share for kind in kinds)
    inputs, seconds = 0, 0.0
    for kind in kinds:
        most = None if asked.inputs is None else max(1, round(asked.inputs * kind.share / shares))
        course = run(kind(), seed, inputs=most, seconds=asked.seconds / len(kinds))
        _say(told(course))
        if course.failure:
            return 1
        inputs += course.inputs
        seconds += course.seconds
    _say(f"{inputs} inputs in {seconds:.1f} s, seed {seed}: nothing found")
    return 0


def told(course: Course) -> str:
    """Return what there is to say about a run."""
    speed = course.inputs / max(course.seconds, 0.001)
    text = (
        f"{course.name}: {course.inputs} inputs in {course.seconds:.1f} s, {speed:.0f} a second,"
        f" seed {course.seed}"
    )
    if not course.failure:
        common = course.outcomes.most_common(SHOWN)
        told = ", ".join(f"{name} {count * 100 / course.inputs:.1f}%" for name, count in common)
        return f"{text}; {told}"
    if course.smallest is None:
        found = "no input breaks it alone: it needs those before it, which the seed makes again"
    else:
        found = f"the smallest input is {course.smallest!r}"
    return f"{text}: FOUND\n{course.failure}\n{found}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

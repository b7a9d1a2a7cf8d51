"""``python -m tests.attacks [NAME…]``: run all attacks, or those, and print a table of them.

The exit code is 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.attacks.all import ATTACKS
from tests.attacks.harness import Row, row_of
from tests.attacks.target import MIB

TITLES = (
    "name",
    "who",
    "attack",
    "MiB before",
    "at most",
    "longest stall, ms",
    "slowest answer, ms",
    "what came of it",
    "holds",
)


def say(*lines: str) -> None:
    """Print lines, at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def line(*cells: object) -> str:
    """Return a line of the table."""
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def cells(row: Row) -> tuple[object, ...]:
    """Return what the table has of a row."""
    attack, found = row.attack, row.found
    return (
        attack.name,
        attack.who,
        attack.words,
        f"{row.before / MIB:.0f}",
        f"{row.most / MIB:.0f}",
        f"{found.stall * 1000:.0f}",
        f"{found.slowest * 1000:.0f}",
        row.outcome,
        "yes" if not row.problems else f"NO: {'; '.join(row.problems)}",
    )


async def run(names: list[str]) -> int:
    """Run the attacks one after the other; return how many rows have a problem."""
    failed = 0
    say(line(*TITLES), line(*["---"] * len(TITLES)))
    for name in names:
        row = await row_of(ATTACKS[name])
        failed += bool(row.problems)
        say(line(*cells(row)))
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.attacks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    names = parser.parse_args().names or list(ATTACKS)
    if unknown := set(names) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    begin = time.monotonic()
    failed = asyncio.run(run(names))
    seconds = time.monotonic() - begin
    say("", f"{len(names)} attacks in {seconds:.0f} s, {failed} with a problem")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""The memory that the process may take, told by its own system."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from w2z.kernel.sockets.room import Room

room = Room(32 * 2**20)
print(room.is_used_up)
# Small pieces, which the C library does not give back by itself while the last one is in use.
pieces = [bytes(10_000) for _ in range(10_000)]
print(room.is_used_up)
last = pieces.pop()
pieces.clear()
print(room.is_used_up)
"""


def test_it_is_used_up_by_what_is_in_use_and_not_by_what_was() -> None:
    """In a process of its own: this one's memory has holes of any size."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True", "False"]

"""Measure how much memory a block of code takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MIB = 2**20


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Gives a function that returns the peak growth of Python's memory in the block, in bytes."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

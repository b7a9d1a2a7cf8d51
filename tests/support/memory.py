"""How much memory something takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MIB = 2**20


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Gives a function: how many bytes Python has had at most since the beginning of this."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

"""Measure how much memory a block of code takes."""

from __future__ import annotations

import gc
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


@contextmanager
def kept() -> Iterator[Callable[[], int]]:
    """Gives a function that returns how much of Python's memory the block has taken and not given
    back, in bytes. Circles of objects count: it may take long until somebody looks for them.
    """
    gc.collect()
    gc.disable()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()

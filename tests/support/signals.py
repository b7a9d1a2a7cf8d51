"""Signals to the tests' own process, and their handlers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from w2z.serve.stop import ENDING, FORWARDED


@contextmanager
def as_before() -> Iterator[None]:
    """Restore the signal handlers at the end of the block; the loop has to be closed by then."""
    numbers = (*ENDING, *FORWARDED, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_signal(number: signal.Signals) -> None:
    """Send a signal to this process, which has to have a handler for it."""
    assert callable(signal.getsignal(number))
    os.kill(os.getpid(), number)

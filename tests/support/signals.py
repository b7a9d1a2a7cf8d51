"""Signals of the tests' own process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from w2z.serve.stop import ENDING, FORWARDED


@contextmanager
def as_before() -> Iterator[None]:
    """What signals do is afterwards what it was; to be left when the loop has been closed."""
    numbers = (*ENDING, *FORWARDED, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_signal(number: signal.Signals) -> None:
    """Send it to this process, which has to have a handler for it."""
    assert callable(signal.getsignal(number))
    os.kill(os.getpid(), number)

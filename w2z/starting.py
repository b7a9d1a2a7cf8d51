"""What has to be done before anything else: hold signals, and open the standard streams.

This module imports next to nothing, because until it has done its work signals are lost: a process
that is PID 1 gets no signal for which it has neither a handler nor a mask (signal(7), kill(2)).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""The signals that wait until there are handlers for them."""


def prepare() -> None:
    """Hold the signals, and make sure that 0, 1 and 2 are the standard streams."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    open_standard_streams()


def release_signals() -> None:
    """Let the signals through; those that came meanwhile arrive now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def open_standard_streams() -> None:
    """Open ``/dev/null`` in the place of each standard stream that was closed when w2z was started.

    The next file or socket would take its number otherwise, and get what the kernel prints.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # A machine without /dev/null: nothing can be done.
            with contextlib.suppress(OSError):
                _fill(number)
    # Python leaves out the streams that were closed when it started.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _fill(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(opened, number)
        os.close(opened)

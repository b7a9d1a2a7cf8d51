"""What w2z's own process keeps from the code in the kernel: its memory and its environment.

The kernel mostly runs as the same user, who may otherwise read the environment, the memory and the
open files of w2z through ``/proc``, or trace it (ptrace(2), "Ptrace access mode checking").
"""

from __future__ import annotations

import ctypes
import logging
import os

log = logging.getLogger("w2z")

PR_SET_DUMPABLE = 4
"""Option of prctl(2), from linux/prctl.h."""


def hide_process() -> None:
    """Keep this process's environment, memory and open files from all but root.

    The system gives up that protection with the next program that the process executes, so the
    kernel's process is as readable as any. Call this before a secret is read.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        log.warning(
            "code that runs as the user of w2z may read its token: prctl(%d) failed: %s",
            PR_SET_DUMPABLE,
            os.strerror(ctypes.get_errno()),
        )


def take_variable(name: str) -> str | None:
    """Return a variable of the environment, and remove it: no process started later inherits it.

    What the process was started with stays in its memory, which :func:`hide_process` hides.
    """
    return os.environ.pop(name, None)

"""The memory that this process takes of the machine's."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os


def resident() -> int:
    """Return its bytes (proc_pid_statm(5)); 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(statm, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(statm)
    return 0


def settle() -> None:
    """Say that what there is now stays: the garbage collector (gc module) never looks at it again,
    and looks at what comes later less often. Hardly anything here is garbage that it has to find,
    but messages that are kept make it look.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def give_back() -> None:
    """Let the C library give free memory back to the system, if it can (malloc_trim(3)). May take
    some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

"""Whether memory has room for output that waits in libzmq, whose queue has no bound in bytes."""

from __future__ import annotations

import contextlib
import ctypes
import os


class Room:
    """The memory that this process may take in all: what it takes now, and ``more`` bytes.

    Where the system does not tell what a process takes, there is always room.
    """

    def __init__(self, more: int) -> None:
        self._limit = _resident() + more

    @property
    def is_used_up(self) -> bool:
        """Whether the process takes more, even after it gave back what it does not use."""
        if _resident() <= self._limit:
            return False
        _give_back()
        return _resident() > self._limit


def _resident() -> int:
    """Return the bytes of memory that this process takes (proc_pid_statm(5)), or 0."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(statm, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE")
        finally:
            os.close(statm)
    return 0


def _give_back() -> None:
    """Let the C library give free memory back to the system, if it can (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

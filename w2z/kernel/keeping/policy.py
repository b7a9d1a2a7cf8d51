"""When to restart a kernel that crashed, and how to describe the end of its process.

This module does no I/O. The caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

import contextlib
from collections import deque
from signal import Signals

RESTART_WINDOW = 60.0
"""Seconds within which crashes count together: a kernel that ran longer is worth a restart."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds before the second restart in a window, and the most before any restart. The pause doubles
with each further restart; the first restart comes at once.
"""


class RestartPolicy:
    """Allows at most ``limit`` restarts of crashed kernels in :data:`RESTART_WINDOW`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._crashes: deque[float] = deque()

    def on_crash(self, now: float) -> float | None:
        """The kernel crashed: return the seconds to wait before a restart, ``None`` to give up."""
        while self._crashes and self._crashes[0] <= now - RESTART_WINDOW:
            self._crashes.popleft()
        if len(self._crashes) >= self._limit:
            return None
        self._crashes.append(now)
        doublings = len(self._crashes) - 2
        return min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE) if doublings >= 0 else 0.0


def describe(code: int) -> str:
    """Describe how a process ended, for people. A signal's ``code`` is its negative number."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        name = Signals(-code).name
        hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"was killed by signal {-code} ({name}){hint}"
    return f"was killed by signal {-code}"


def exit_code(code: int) -> int:
    """Return the exit code that a shell reports: 128 plus the number for a signal."""
    return 128 - code if code < 0 else code

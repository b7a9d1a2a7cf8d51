"""What a kernel's end means, and when to start another.

Decisions only; the caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

import contextlib
from collections import deque
from signal import Signals

RESTART_WINDOW = 60.0
"""Seconds within which crashes count together: a kernel that lived longer was worth it."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds before the second restart in a window, doubled for each one more; the first is at once.
"""


class RestartPolicy:
    """Restarts a crashed kernel at most ``limit`` times in :data:`RESTART_WINDOW`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._crashes: deque[float] = deque()

    def on_crash(self, now: float) -> float | None:
        """The kernel crashed: seconds to wait before it is started again, ``None`` to give up."""
        while self._crashes and self._crashes[0] <= now - RESTART_WINDOW:
            self._crashes.popleft()
        if len(self._crashes) >= self._limit:
            return None
        self._crashes.append(now)
        doublings = len(self._crashes) - 2
        return min(FIRST_PAUSE * 2**doublings, LONGEST_PAUSE) if doublings >= 0 else 0.0


def describe(code: int) -> str:
    """How a process ended, for people; ``code`` is negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        name = Signals(-code).name
        hint = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"was killed by signal {-code} ({name}){hint}"
    return f"was killed by signal {-code}"


def exit_code(code: int) -> int:
    """What a shell says for it: 128 and the signal's number."""
    return 128 - code if code < 0 else code

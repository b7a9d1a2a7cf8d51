"""What a kernel's end means, when to start another, and when to call one dead.

Decisions only; the caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

import contextlib
from collections import deque
from enum import Enum
from signal import Signals

RESTART_WINDOW = 60.0
"""Seconds within which crashes count together: a kernel that lived longer was worth it."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds before the second restart in a window, doubled for each one more; the first is at once.
"""

BEAT_EVERY = 3.0
"""Seconds between heartbeats that w2z itself asks for, as jupyter_client does."""

BEATS_MISSED = 3
"""Echoes in a row without which the kernel is suspected, and its ports are tried."""

PROBE_EVERY = 1.0
"""Seconds between looks whether one that hung up refuses connections."""

DEAD_AFTER = 3.0
"""Seconds a kernel that hung up has to be back, itself or another, before clients are told that
it is dead: frontends give up at that word, and supervisors take a moment.
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


class Pulse:
    """Whether a kernel that has a heartbeat (some have none at first, or ever) still answers it."""

    def __init__(self) -> None:
        self._unanswered = 0
        self._ever_answered = False

    def on_beat(self) -> None:
        """A heartbeat was sent."""
        self._unanswered += 1

    def on_echo(self) -> None:
        """The kernel's heartbeat answered."""
        self._unanswered = 0
        self._ever_answered = True

    def forgive(self) -> None:
        """What was not answered until now does not count."""
        self._unanswered = 0

    @property
    def is_missed(self) -> bool:
        """Whether it is overdue."""
        return self._ever_answered and self._unanswered > BEATS_MISSED


class Suspicion(Enum):
    """What :class:`Liveness` wants done."""

    NONE = "nothing"
    BEAT = "send a heartbeat"
    PROBE = "try whether connections are refused"


class Liveness:
    """Whether a kernel that w2z did not start is still there.

    Silence alone proves nothing: a kernel may be stopped, or busy in code that holds its
    interpreter. It is gone when nobody listens on its ports any more.
    """

    def __init__(self, now: float) -> None:
        self._was_there = False
        self._gone_since: float | None = None
        self._is_dead = False
        self._beat_at = now
        self._probe_at = now
        self._pulse = Pulse()

    @property
    def is_silent(self) -> bool:
        """Whether the kernel does not answer heartbeats any more."""
        return self._pulse.is_missed

    @property
    def is_gone(self) -> bool:
        """Whether the kernel hung up and none has been there since."""
        return self._gone_since is not None

    def on_there(self) -> bool:
        """A kernel takes requests; returns whether it comes after one that was gone."""
        came_back = self._gone_since is not None
        self._was_there = True
        self._gone_since = None
        self._is_dead = False
        return came_back

    def on_lost(self, now: float) -> bool:
        """The kernel hung up; returns whether that is news. One that never was there has not begun,
        and one that is gone cannot go.
        """
        self._pulse.forgive()
        if self._gone_since is not None or not self._was_there:
            return False
        self._gone_since = now
        return True

    def on_refused(self, now: float) -> bool:
        """The kernel refuses connections; returns whether it has to be called dead now."""
        self.on_lost(now)
        is_late = self._gone_since is not None and now >= self._gone_since + DEAD_AFTER
        is_news = is_late and not self._is_dead
        self._is_dead = self._is_dead or is_late
        return is_news

    def on_echo(self) -> None:
        """The kernel's heartbeat answered."""
        self._pulse.on_echo()

    def poll(self, now: float) -> Suspicion:
        """What to do now; ask several times a second."""
        if self._gone_since is not None:
            is_due = now >= max(self._gone_since + DEAD_AFTER, self._probe_at)
            if self._is_dead or not is_due:
                return Suspicion.NONE
            self._probe_at = now + PROBE_EVERY
            return Suspicion.PROBE
        if now < self._beat_at:
            return Suspicion.NONE
        self._beat_at = now + BEAT_EVERY
        self._pulse.on_beat()
        return Suspicion.PROBE if self._pulse.is_missed else Suspicion.BEAT


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

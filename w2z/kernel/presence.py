"""Whether anybody is at the other end of the sockets: heartbeats, and tries of the kernel's ports.

Rules:

1. Silence proves nothing. A heartbeat that stays unanswered is a reason to try the ports.
2. Nobody is there when the ports refuse. That nothing comes back counts as a refusal only where no
   kernel is known to be there: its host may be gone.
3. What a try found counts only as long as nothing else has happened since it was asked for. So
   each has a number, and :meth:`Presence.forget_tries` voids those that are under way.
"""

from __future__ import annotations

from w2z.kernel.actions import Beat, Found, Probe
from w2z.timing import Timing

BEATS_MISSED = 3
"""Echoes in a row without which the kernel's ports are tried."""


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


class Presence:
    """Watches over one kernel after another; ``tries_ports`` unless its process tells more."""

    def __init__(self, now: float, timing: Timing, *, tries_ports: bool) -> None:
        self.pulse = Pulse()
        self.is_reached = False
        """Whether the iopub socket is connected."""
        self._timing = timing
        self._tries_ports = tries_ports
        self._beat_at = now
        self._try_at = now
        self._number = 0
        self._refused_since: float | None = None

    def on_connected(self, now: float) -> None:
        """The sockets are others."""
        self.is_reached = False
        self.begin_again(now)

    def begin_again(self, now: float) -> None:
        """A new beginning with whoever is there: nothing is held against it."""
        self._try_at = now
        self._refused_since = None
        self.pulse.forgive()
        self.forget_tries()

    def forget_tries(self) -> None:
        """What is being tried will say nothing about the kernel as it is now."""
        self._number += 1

    def beat(self, now: float) -> list[Beat | Probe]:
        """Look after a kernel that is there; ask several times a second."""
        if now < self._beat_at:
            return []
        self._beat_at = now + self._timing.beat_every
        self.pulse.on_beat()
        if self.pulse.is_missed and self._tries_ports:
            return [Beat(), Probe(self._number)]
        return [Beat()]

    def search(self, now: float) -> list[Probe]:
        """Look for a kernel that is not there; ask several times a second."""
        if not self._tries_ports or now < self._try_at:
            return []
        self._try_at = now + self._timing.probe_every
        return [Probe(self._number)]

    def on_probe(self, number: int, found: Found, now: float, *, is_known: bool) -> float | None:
        """What a try found: for how many seconds nobody has been there, ``None`` if somebody may
        be, or if the try was void. ``is_known`` tells that a kernel was there when last heard of.
        """
        if number != self._number:
            return None
        if found is Found.LISTENING or (found is Found.NO_ANSWER and is_known):
            self._refused_since = None
            return None
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since

"""Whether a kernel is at the other end of the sockets: beats, and probes of the kernel's ports.

Rules:

1. A missing echo proves nothing; it is a reason to probe.
2. No kernel is there when the ports refuse the connection. A probe without any answer counts as a
   refusal only where no kernel is known to be there: its host may have vanished.
3. The result of a probe counts only if nothing else has happened since the probe was returned. So
   each probe has a number, and :meth:`Presence.forget_tries` voids the probes that are under way.
"""

from __future__ import annotations

from w2z.kernel.actions import Beat, Found, Probe
from w2z.timing import Timing

BEATS_MISSED = 3
"""Beats in a row without an echo; with the next beat w2z probes."""


class Pulse:
    """The count of beats without echo. It counts only once a kernel has sent an echo: some kernels
    have no heartbeat at first, or never have one.
    """

    def __init__(self) -> None:
        self._unanswered = 0
        self._ever_answered = False

    def on_beat(self) -> None:
        """Called when a beat is sent."""
        self._unanswered += 1

    def on_echo(self) -> None:
        """Called when an echo arrived."""
        self._unanswered = 0
        self._ever_answered = True

    def forgive(self) -> None:
        """Forget the beats without echo until now."""
        self._unanswered = 0

    @property
    def is_missed(self) -> bool:
        """Whether more than :data:`BEATS_MISSED` beats in a row have had no echo."""
        return self._ever_answered and self._unanswered > BEATS_MISSED


class Presence:
    """Decides when to beat and when to probe, for one kernel after another.

    ``tries_ports`` is ``False`` for an owned kernel, whose process tells more than probes.
    """

    def __init__(self, now: float, timing: Timing, *, tries_ports: bool) -> None:
        self.pulse = Pulse()
        self._timing = timing
        self._tries_ports = tries_ports
        self._beat_at = now
        self._try_at = now
        self._number = 0
        self._refused_since: float | None = None

    def begin_again(self, now: float) -> None:
        """Start afresh with the kernel at the other end: no missing echo or refusal counts."""
        self._try_at = now
        self._refused_since = None
        self.pulse.forgive()
        self.forget_tries()

    def forget_tries(self) -> None:
        """Void the probes under way, because something happened to the kernel meanwhile."""
        self._number += 1

    def beat(self, now: float) -> list[Beat | Probe]:
        """Return what is due for a kernel that is there; call several times a second."""
        if now < self._beat_at:
            return []
        self._beat_at = now + self._timing.beat_every
        self.pulse.on_beat()
        if self.pulse.is_missed and self._tries_ports:
            return [Beat(), Probe(self._number)]
        return [Beat()]

    def search(self, now: float) -> list[Probe]:
        """Return what is due where no kernel is there; call several times a second."""
        if not self._tries_ports or now < self._try_at:
            return []
        self._try_at = now + self._timing.probe_every
        return [Probe(self._number)]

    def on_probe(self, number: int, found: Found, now: float, *, is_known: bool) -> float | None:
        """Take the result of a probe. Returns for how many seconds the ports have refused, or
        ``None`` if a kernel may be there or the probe is void. ``is_known`` says that a kernel was
        there the last time w2z heard of it.
        """
        if number != self._number:
            return None
        if found is Found.LISTENING or (found is Found.NO_ANSWER and is_known):
            self._refused_since = None
            return None
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since

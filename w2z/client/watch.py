"""Whether the other end of a websocket is still there; no I/O, and the time is passed in.

w2z pings every 30 seconds by default, so a connection is seldom quiet for longer. One that is gets
a ping of the client; so does, anyway, w2z for each request (:mod:`~w2z.client.unsettled`). When a
ping is out and nothing at all is heard for :data:`ANSWER_WITHIN`, the connection is dead: a laptop
has slept, a NAT has forgotten. TCP itself would notice in fifteen minutes.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

QUIET_FOR = 35.0
"""Seconds without anything heard after which the client asks."""

ANSWER_WITHIN = 15.0
"""Seconds that the other end may be silent while a ping is out."""


class Overdue(Enum):
    """What the caller has to do."""

    PING = auto()
    """Send a ping, and call :meth:`Watch.asked`."""
    DEAD = auto()
    """Drop the connection."""


class Watch:
    """What is heard on one connection."""

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self._asked_at = inf

    def heard(self, now: float) -> None:
        """Take note that data came, or that the client itself does not read now."""
        self._heard_at = now
        self._asked_at = inf

    def asked(self, now: float) -> None:
        """Take note of a ping that was sent."""
        self._asked_at = min(self._asked_at, now)

    def poll(self, now: float) -> Overdue | None:
        """Return what is due, or ``None``; call it again at :meth:`next_deadline`."""
        if now >= self._asked_at + ANSWER_WITHIN:
            return Overdue.DEAD
        if self._asked_at == inf and now >= self._heard_at + QUIET_FOR:
            return Overdue.PING
        return None

    def next_deadline(self) -> float:
        """Return when something may be due."""
        return min(self._asked_at + ANSWER_WITHIN, self._heard_at + QUIET_FOR)

"""When a websocket is read on that has sent too many frames which carry little.

Control frames and short fragments cost as much work as messages do, and bring nothing: no bytes
add up that a limit could count. So of these a peer may send :data:`LITTLE_AT_ONCE` at once, and
:data:`LITTLE_A_SECOND` in the long run. One that sends more is read later; nothing is dropped.
"""

from __future__ import annotations

LITTLE_A_SECOND = 2000
"""Frames. A client sends one pong for each ping, and few pings of its own."""

LITTLE_AT_ONCE = 2000
"""Frames. What has piled up while w2z did not read from the client, for example."""


class Turns:
    """The frames of one websocket that carry little, counted. ``now`` is of any clock."""

    def __init__(self, now: float) -> None:
        self.counted = 0
        """The number of such frames at the last call of :meth:`wait`."""
        self._paid_at = now
        """When all that were counted so far are paid for, at :data:`LITTLE_A_SECOND`."""

    def wait(self, little: int, now: float) -> float:
        """Return the seconds until the peer may be read on. ``little`` is how many such frames came
        since the beginning.
        """
        new, self.counted = little - self.counted, little
        if not new and self._paid_at <= now:
            return 0.0
        self._paid_at = max(self._paid_at, now) + new / LITTLE_A_SECOND
        return max(0.0, self._paid_at - now - LITTLE_AT_ONCE / LITTLE_A_SECOND)

"""Which heartbeats of clients go to the kernel now, and whose each echo is.

Of each session one beat is under way. A later one waits for the echo, and replaces one that waits
already: whoever sends beats wants to know whether the kernel answers, not how often. So one
session's beats hold up nobody else's, and a kernel that answers none is sent few. Echoes can get
lost; a beat whose echo has not come after :data:`ECHO_PATIENCE` seconds is no reason to wait.
"""

from __future__ import annotations

ECHO_PATIENCE = 5.0
"""Seconds: longer than a kernel whose heartbeat has a thread of its own ever takes."""

MAX_PENDING_ECHOES = 1024
"""Most echoes that w2z waits for; when the kernel owes more, w2z gives up the oldest."""


class Beats:
    """The beats of all sessions. ``now`` is of any clock."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._owed: dict[int, str] = {}
        self._under_way: dict[str, tuple[int, float]] = {}
        self._waiting: dict[str, bytes] = {}
        self._number = 0

    def beat(self, session_id: str, payload: bytes, now: float) -> int | None:
        """Return the number to send the session's beat with; ``None``: it waits."""
        _, until = self._under_way.get(session_id, (0, now))
        if now < until:
            self._waiting[session_id] = payload
            return None
        self._waiting.pop(session_id, None)
        self._number += 1
        if len(self._owed) == MAX_PENDING_ECHOES:
            del self._owed[next(iter(self._owed))]
        self._owed[self._number] = session_id
        self._under_way[session_id] = self._number, now + self._patience
        return self._number

    def echoed(self, number: int) -> str | None:
        """Return the session whose beat had that number, if an echo of it was awaited."""
        session_id = self._owed.pop(number, None)
        if session_id is not None and self._under_way.get(session_id, (0,))[0] == number:
            del self._under_way[session_id]
        return session_id

    def next(self, session_id: str) -> bytes | None:
        """Take the session's beat that waits, for :meth:`beat`, if none is under way."""
        return None if session_id in self._under_way else self._waiting.pop(session_id, None)

    def forget(self, session_id: str) -> None:
        """Drop the session's beats; an echo that still comes is nobody's."""
        self._waiting.pop(session_id, None)
        number, _ = self._under_way.pop(session_id, (0, 0.0))
        self._owed.pop(number, None)

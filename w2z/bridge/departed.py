"""Departed clients: they have left, and the kernel has not taken all their requests yet.

The departed clients of a session send one after the other, before the session's present client
does. There are limits for the bytes of all waiting requests and for the clients of each session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MAX_DEPARTED = 16
"""Most departed clients of one session: each left before the kernel took what the others sent."""


class Speaker(Protocol):
    """A client, as far as this module uses it."""

    @property
    def waiting(self) -> int:
        """Bytes of the client's requests that the kernel has yet to take; 0 when there are none."""


SpeakerT = TypeVar("SpeakerT", bound=Speaker)


@dataclass(slots=True)
class _Queue(Generic[SpeakerT]):
    """The departed clients of one session, and when the last of them left."""

    left_at: float = 0.0
    clients: deque[SpeakerT] = field(default_factory=deque)


class Departed(Generic[SpeakerT]):
    """The departed clients of all sessions.

    ``limit`` is how many bytes of requests may wait already when another client is added.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queues: dict[str, _Queue[SpeakerT]] = {}

    def add(self, session_id: str, client: SpeakerT, now: float) -> bool:
        """Keep a client that left at ``now``. Returns ``False`` if there is no room for it."""
        queue = self._queues.get(session_id, _Queue())
        if len(queue.clients) >= MAX_DEPARTED or sum(one.waiting for one in self) > self._limit:
            return False
        queue.left_at = now
        queue.clients.append(client)
        self._queues[session_id] = queue
        return True

    def of(self, session_id: str) -> list[SpeakerT]:
        """Return the departed clients of one session, in the order in which they send."""
        queue = self._queues.get(session_id)
        return [] if queue is None else list(queue.clients)

    def heard(self, session_id: str, client: SpeakerT) -> bool:
        """Remove the session's first departed client, which has nothing left to send.

        Returns ``False`` if ``client`` is not that one; then nothing changes.
        """
        queue = self._queues.get(session_id)
        if queue is None or queue.clients[0] is not client:
            return False
        queue.clients.popleft()
        if not queue.clients:
            del self._queues[session_id]
        return True

    def forget(self, session_id: str) -> None:
        """Drop the departed clients of a session, and so their requests."""
        self._queues.pop(session_id, None)

    def sessions(self) -> dict[str, float]:
        """Return the sessions that have departed clients, and when the last one of each left."""
        return {session_id: queue.left_at for session_id, queue in self._queues.items()}

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._queues

    def __iter__(self) -> Iterator[SpeakerT]:
        return (client for queue in self._queues.values() for client in queue.clients)

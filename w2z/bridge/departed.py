"""Clients that are gone and have yet to be heard: the kernel has not taken all they said.

Of each session they are heard one after the other, and before the client it has now. What is kept
is bounded, in bytes over all sessions and in clients of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MAX_DEPARTED = 16
"""Clients of one session: each leaves before the one that came before it was heard."""


class Speaker(Protocol):
    """A client, as far as it is about what it said."""

    @property
    def waiting(self) -> int:
        """Bytes of messages that the kernel has yet to take; 0 when there are none."""


SpeakerT = TypeVar("SpeakerT", bound=Speaker)


@dataclass(slots=True)
class _Queue(Generic[SpeakerT]):
    """Those of one session, and when the last of them left."""

    left_at: float = 0.0
    clients: deque[SpeakerT] = field(default_factory=deque)


class Departed(Generic[SpeakerT]):
    """Those of all sessions. ``limit`` is how many bytes may wait already when another comes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queues: dict[str, _Queue[SpeakerT]] = {}

    def add(self, session_id: str, client: SpeakerT, now: float) -> bool:
        """Keep one that has left now; ``False`` where there is no room for what it said."""
        queue = self._queues.get(session_id, _Queue())
        if len(queue.clients) >= MAX_DEPARTED or sum(one.waiting for one in self) > self._limit:
            return False
        queue.left_at = now
        queue.clients.append(client)
        self._queues[session_id] = queue
        return True

    def of(self, session_id: str) -> list[SpeakerT]:
        """Those of one session, the one to be heard next first."""
        queue = self._queues.get(session_id)
        return [] if queue is None else list(queue.clients)

    def heard(self, session_id: str, client: SpeakerT) -> bool:
        """The one that was next has said all; returns whether it was kept at all."""
        queue = self._queues.get(session_id)
        if queue is None or queue.clients[0] is not client:
            return False
        queue.clients.popleft()
        if not queue.clients:
            del self._queues[session_id]
        return True

    def forget(self, session_id: str) -> None:
        """Drop what those of a session said."""
        self._queues.pop(session_id, None)

    def sessions(self) -> dict[str, float]:
        """The sessions that have any, and when the last of each left."""
        return {session_id: queue.left_at for session_id, queue in self._queues.items()}

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._queues

    def __iter__(self) -> Iterator[SpeakerT]:
        return (client for queue in self._queues.values() for client in queue.clients)

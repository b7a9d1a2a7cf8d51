"""Sessions, their clients and their places in the journal.

A *session* is a ``session_id``: it owns a place in the journal and outlives its websocket by the
resume window. A *client* is the websocket it has just now, opaque here. A session is *flowing*
while its client takes everything at once; then it costs nothing but one write a batch. When its
client is slow or gone, the journal keeps what it misses from that moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from w2z.errors import NotAllowed
from w2z.hub.journal import Journal
from w2z.hub.overflow import Gap, Remains
from w2z.message import Channel, Message

ClientT = TypeVar("ClientT")

READ_SIZE = 2**20
"""Bytes of overflow's remains that one read hands out: a write the transport can swallow."""


@dataclass(slots=True)
class Session(Generic[ClientT]):
    """One ``session_id`` and all that is known of it."""

    session_id: str
    resumable: bool
    client: ClientT | None = None
    flowing: bool = False
    position: int = 0
    remains: Remains = field(default_factory=Remains)
    detached_at: float = 0.0


class Delivery(NamedTuple, Generic[ClientT]):
    """What to do with a batch: write it to ``clients``; ``lost`` sessions were given up."""

    clients: list[ClientT]
    lost: list[Session[ClientT]]


class Hub(Generic[ClientT]):
    """The sessions of one kernel.

    ``limit`` is the journal's size in bytes; ``new_header`` makes the header of a ``stream``
    message, for gap notices.
    """

    def __init__(self, limit: int, new_header: Callable[[], bytes]) -> None:
        self._limit = limit
        self._new_header = new_header
        self._journal = Journal()
        self._sessions: dict[str, Session[ClientT]] = {}

    # Sessions and clients.

    def attach(self, session_id: str, client: ClientT, *, resumable: bool) -> ClientT | None:
        """Give the session a client; returns the one it replaces, to be closed with 4409.

        Call :meth:`read` until it returns nothing: only then is the session flowing.
        """
        session = self._sessions.get(session_id)
        if session is None:
            session = Session(session_id, resumable, position=self._journal.end)
            self._sessions[session_id] = session
        replaced, session.client = session.client, client
        self._hold(session)
        return replaced

    def detach(self, session_id: str, client: ClientT, now: float) -> bool:
        """The session's client is gone; returns whether the session went with it.

        A client that was already replaced changes nothing.
        """
        session = self._sessions.get(session_id)
        if session is None or session.client is not client:
            return False
        session.client = None
        session.detached_at = now
        self._hold(session)
        if not session.resumable:
            self.forget(session_id)
        return not session.resumable

    def forget(self, session_id: str) -> None:
        """Drop a session and what was kept for it."""
        self._sessions.pop(session_id, None)
        self._trim()

    def expired(self, before: float) -> list[str]:
        """Sessions whose client left before that moment; :meth:`forget` them."""
        return [
            session.session_id
            for session in self._sessions.values()
            if session.client is None and session.detached_at <= before
        ]

    def oldest_detached(self) -> str | None:
        """The session that has been without a client longest, if any is."""
        detached = [session for session in self._sessions.values() if session.client is None]
        if not detached:
            return None
        return min(detached, key=lambda session: session.detached_at).session_id

    def client(self, session_id: str) -> ClientT | None:
        """The session's websocket, if it has one."""
        session = self._sessions.get(session_id)
        return None if session is None else session.client

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sessions))

    def __len__(self) -> int:
        return len(self._sessions)

    def clients(self) -> Iterator[ClientT]:
        """Every websocket connected now."""
        return (s.client for s in self._sessions.values() if s.client is not None)

    # From the kernel.

    def to_clients(self, addressee: str | None, messages: Sequence[Message]) -> Delivery[ClientT]:
        """Decide on a batch from the kernel for one session or for all (``None``)."""
        if addressee is None:
            recipients = list(self._sessions.values())
        else:
            recipients = [s for s in (self._sessions.get(addressee),) if s is not None]
        clients = [s.client for s in recipients if s.flowing and s.client is not None]
        if len(clients) < len(recipients):
            self._journal.append(addressee, messages)
            return Delivery(clients, self._make_room())
        return Delivery(clients, [])

    def stalled(self, session_id: str, client: ClientT) -> None:
        """The client takes no more for now; :meth:`read` goes on when it does again."""
        session = self._sessions.get(session_id)
        if session is not None and session.client is client:
            self._hold(session)

    def owes(self, session_id: str, client: ClientT) -> bool:
        """Whether the client has to :meth:`read` before its session flows."""
        session = self._sessions.get(session_id)
        return session is not None and session.client is client and not session.flowing

    def read(self, session_id: str) -> list[Message]:
        """The next messages for a session that is not flowing; none left makes it flow."""
        session = self._sessions[session_id]
        messages = [
            item.notice(self._new_header()) if isinstance(item, Gap) else item
            for item in session.remains.take(READ_SIZE)
        ]
        while not messages and session.position < self._journal.end:
            batch = self._journal.at(session.position)
            session.position += 1
            if batch.is_for(session_id):
                messages.extend(batch.messages)
        if not messages:
            session.flowing = True
        self._trim()
        return messages

    # To the kernel.

    def check_to_kernel(self, message: Message) -> None:
        """Refuse what no client may send; raises :class:`~w2z.errors.NotAllowed`."""
        if message.channel is Channel.IOPUB:
            raise NotAllowed("iopub carries messages from the kernel only")

    # Memory.

    def _hold(self, session: Session[ClientT]) -> None:
        if session.flowing:
            session.flowing = False
            session.position = self._journal.end

    def _trim(self) -> None:
        if self._journal.size:
            held = (s.position for s in self._sessions.values() if not s.flowing)
            self._journal.trim(min(held, default=self._journal.end))

    def _make_room(self) -> list[Session[ClientT]]:
        """Keep to the limit, all sessions together; returns the sessions given up for it.

        The slowest session is moved past the oldest batch, without what may be dropped. When no
        batch is left, what cannot be dropped is itself too much: the session with most of it goes.
        """
        lost: list[Session[ClientT]] = []
        while self._journal.size + self._remains > self._limit:
            if self._journal.size:
                held = (s for s in self._sessions.values() if not s.flowing)
                self._move_on(min(held, key=lambda session: session.position))
            else:
                lost.append(max(self._sessions.values(), key=lambda s: s.remains.size))
                self.forget(lost[-1].session_id)
        return lost

    def _move_on(self, slowest: Session[ClientT]) -> None:
        batch = self._journal.at(slowest.position)
        slowest.position += 1
        if batch.is_for(slowest.session_id):
            for message in batch.messages:
                slowest.remains.add(message)
        self._trim()

    @property
    def _remains(self) -> int:
        return sum(session.remains.size for session in self._sessions.values())

"""Sessions, their clients and their places in the journal.

A *session* is a ``session_id``: it owns a place in the journal and outlives its websocket by the
resume window. A *client* is the websocket it has just now, opaque here. A session is *flowing*
while its client takes everything at once; then it costs one write a batch. What was written is
kept until the client acknowledges it, so that it can be written again to the one that takes its
place; a client without a session to come back to acknowledges by taking it.

Promises, whatever happens: a session reads what was said to it or to all since it was there, in
order, but for gaps that it is told of in their place; bytes in memory stay below ``limit`` and one
batch; and no session's fate depends on another's, but that the slowest gives way first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple

from w2z.delivery.journal import Journal
from w2z.delivery.memory import Load, Memory
from w2z.delivery.overflow import Gap, Item
from w2z.delivery.repeats import Repeat
from w2z.delivery.requests import Forward, give_up, hear, to_kernel
from w2z.delivery.session import ClientT, Counters, Session
from w2z.message import Message, Request

READ_SIZE = 2**20
"""Bytes of overflow's remains that one read hands out: a write the transport can swallow."""


class Delivery(NamedTuple, Generic[ClientT]):
    """What to do with a batch: write it to each of ``clients``, also to those that stall meanwhile,
    because their place is behind it; ``lost`` sessions were given up.
    """

    clients: list[ClientT]
    lost: list[Session[ClientT]]


class Hub(Generic[ClientT]):
    """The sessions of one kernel.

    ``limit`` is the memory in bytes; ``new_header`` makes the header of a gap notice, a ``stream``.
    """

    def __init__(self, limit: int, new_header: Callable[[], bytes], journal: Journal) -> None:
        self._new_header = new_header
        self._journal = journal
        self._sessions: dict[str, Session[ClientT]] = {}
        self._memory: Memory[ClientT] = Memory(limit, journal, self._sessions)
        self._gone = Counters()

    # Sessions and clients.

    def attach(
        self, session_id: str, client: ClientT, *, resumable: bool, replay: int = 0
    ) -> ClientT | None:
        """Give the session a client; returns the one it replaces, to be closed with 4409.

        A new session begins with the last ``replay`` messages to all that the journal has. Call
        :meth:`read` until it returns nothing: only then is the session flowing.
        """
        session = self._sessions.get(session_id)
        if session is None:
            start, skip = self._journal.last(replay)
            session = Session(session_id, resumable, acked=start, sent=start, floor=start)
            session.skip = (start, skip)
            self._sessions[session_id] = session
        else:
            session.counters.resumed += 1
            self._hold(session)
            session.rewind()
        replaced, session.client = session.client, client
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
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._gone.add(session.counters)
            self._memory.trim()

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
        return session.client if (session := self._sessions.get(session_id)) else None

    def sessions(self) -> list[Session[ClientT]]:
        """All that there are."""
        return list(self._sessions.values())

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

    def to_clients(
        self,
        addressee: str | None,
        messages: Sequence[Message],
        *,
        own: bool = False,
        once: bool = False,
    ) -> Delivery[ClientT]:
        """Decide on a batch for one session or for all (``None``): of the kernel, or w2z's own.

        What is said ``once`` is not handed out again although it was not acknowledged. The journal
        has the batch from now on, so :meth:`stalled` may be called while it is being written.
        """
        if addressee is None:
            recipients = list(self._sessions.values())
        elif (session := self._sessions.get(addressee)) is None:
            return Delivery([], [])
        else:
            recipients = [session]
            if not own:
                hear(messages, session, self._journal.end)
        self._journal.append(addressee, messages, once=once)
        clients = [s.client for s in recipients if s.flowing and s.client is not None]
        lost = self._memory.make_room()
        self._gone.add(*(one.counters for one in lost))
        return Delivery(clients, lost)

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
        items: list[Item] = []
        if session.sent < session.floor:
            items, place = session.remains.read(session.sent, READ_SIZE)
            session.sent = session.floor if place is None else place
        while not items and session.sent < self._journal.end:
            position = session.sent
            items, session.sent = self._journal.read(position, session_id, session.handed)
            if items and not isinstance(items[0], Gap):
                items = items[session.skipped_at(position) :]
        if not items:
            session.flowing = True
            items = [*session.question.ask_again()]
        if not session.resumable:
            self._memory.arrive(session, session.sent)
        return [session.as_message(item, self._new_header) for item in items]

    def position(self, session_id: str) -> int:
        """What the client has been handed: :meth:`acknowledge` it when that has arrived."""
        return self._sessions[session_id].position(self._journal.end)

    def acknowledge(self, session_id: str, client: ClientT, position: int) -> None:
        """Everything before ``position`` has arrived; what the client cannot know is ignored."""
        session = self._sessions.get(session_id)
        if session is None or session.client is not client:
            return
        if session.acked < position <= session.position(self._journal.end):
            self._memory.arrive(session, position)

    # To the kernel.

    def to_kernel(self, session_id: str, request: Request) -> Forward | Repeat:
        """Decide on what a client sends: :func:`w2z.delivery.requests.to_kernel`."""
        return to_kernel(request, self._sessions.get(session_id), self._journal)

    def connection_is_gone(self) -> dict[str, list[Request]]:
        """No answer can come any more, whether or not the kernel is gone, too.

        Returns what it has not answered of each session, in order: answer that.
        """
        end = self._journal.end
        return {name: lost for name, s in self._sessions.items() if (lost := give_up(s, end))}

    def begin_connection(self, session_id: str) -> None:
        """What was forwarded for the session until now was said by an earlier client."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.forwarded.next_connection()

    def kernel_is_gone(self) -> dict[str, list[Request]]:
        """As :meth:`connection_is_gone`, and what it was sent is no repeat for the next kernel."""
        for session in self._sessions.values():
            session.forwarded.forget()
        return self.connection_is_gone()

    # How they fare.

    @property
    def load(self) -> Load:
        """What is kept just now."""
        return self._memory.load

    @property
    def totals(self) -> Counters:
        """What happened to all sessions, those that are gone included."""
        return Counters().add(self._gone, *(s.counters for s in self._sessions.values()))

    def queued(self, session: Session[ClientT]) -> int:
        """Bytes kept for the session, others perhaps sharing them."""
        return self._memory.queued(session)

    def _hold(self, session: Session[ClientT]) -> None:
        if session.flowing:
            session.flowing = False
            session.sent = self._journal.end
            if not session.resumable:
                self._memory.arrive(session, session.sent)

"""Sessions, their clients and their positions in the journal.

A *session* is a ``session_id``: it has a position in the journal and outlives its client by the
resume window. A *client* is the session's present websocket; the hub never looks into it. A
session is *flowing* while its client takes everything at once; then a batch costs one write.
Messages are kept until the client acknowledges them, so that they can be written again to the
client that resumes the session. The messages to a session that cannot be resumed count as
acknowledged when the client takes them.

Promises, whatever happens:

- A session reads, in order, every message to it or to all since it began. Where messages were
  dropped, it reads a notice in their place.
- Memory stays below ``limit`` plus one batch, once :meth:`Hub.make_room` was called.
- Sessions do not affect each other, except that the slowest loses messages first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple

from w2z.delivery.journal import Journal
from w2z.delivery.memory import Load, Memory
from w2z.delivery.repeats import SENT_COST, Repeat
from w2z.delivery.requests import Forward, give_up, hear, to_kernel
from w2z.delivery.session import OFFSETS, ClientT, Counters, Part, Session
from w2z.message import Message, Request

LARGE_BATCH = 2**22
"""Bytes of a batch that takes milliseconds to be written to a file."""

READ_SIZE = 2**20
"""Bytes of a session's remains that one read returns: few enough for one write."""


class Delivery(NamedTuple, Generic[ClientT]):
    """Where to write a batch, and which sessions were given up to make room for it.

    Write the batch to each of ``clients``, even if one stalls meanwhile: its session's position is
    already behind the batch. The sessions in ``lost`` were removed from the hub. After a large
    batch no room was made yet, because that may take long: call :meth:`Hub.make_room` soon.
    """

    clients: list[ClientT]
    lost: list[Session[ClientT]]
    is_large: bool = False


class Hub(Generic[ClientT]):
    """The sessions of one kernel.

    ``limit`` is the memory limit in bytes. ``new_header`` makes the header of a gap notice, which
    is a ``stream`` message.
    """

    def __init__(self, limit: int, new_header: Callable[[], bytes], journal: Journal) -> None:
        self._new_header = new_header
        self._journal = journal
        self._sessions: dict[str, Session[ClientT]] = {}
        self._memory: Memory[ClientT] = Memory(limit, journal, self._sessions)
        self._gone = Counters()
        self._first_to_replay = 0
        self._made = 0
        """How many sessions there were."""

    # Sessions and clients.

    def attach(
        self,
        session_id: str,
        client: ClientT,
        *,
        resumable: bool,
        replay: int = 0,
        received: int = 0,
        owner: str | None = None,
    ) -> ClientT | None:
        """Give the session a client. Returns the client it replaces, to be closed with 4409.

        A new session is the ``owner``'s, and begins with the last ``replay`` messages to all that
        the journal has in memory. In a session that is resumed, what was sent before the point
        ``received`` counts as acknowledged. Then call :meth:`read` while :meth:`owes` is true:
        after that the session flows.
        """
        session = self._sessions.get(session_id)
        if session is None:
            start, skip = self._journal.last(replay)
            if start < self._first_to_replay:
                start, skip = self._first_to_replay, 0
            session = Session(session_id, resumable, acked=start, sent=start, floor=start)
            session.skip = (start, skip)
            session.owner = owner
            self._made += 1
            session.number = self._made
            self._sessions[session_id] = session
        else:
            session.counters.resumed += 1
            # First: this sets `sent`, which is out of date in a flowing session.
            self._hold(session)
            if received <= OFFSETS * max(session.sent, session.handed):
                session.sent = max(session.sent, received // OFFSETS)
                self._arrive(session, received)
            session.rewind()
        replaced, session.client = session.client, client
        session.is_taken = replaced is not None
        return replaced

    def number_of(self, session_id: str) -> int:
        """Return which session this is, of all there were; for one that is not there yet, which it
        will be if it is the next.
        """
        session = self._sessions.get(session_id)
        return self._made + 1 if session is None else session.number

    def is_taken(self, session_id: str) -> bool:
        """Whether the session's client took the place of another one, which was still there."""
        session = self._sessions.get(session_id)
        return session is not None and session.client is not None and session.is_taken

    def end_replay(self) -> None:
        """Replay nothing to new sessions that is in the journal now. Sessions that are there read
        it all the same.
        """
        self._first_to_replay = self._journal.end

    @property
    def carried(self) -> int:
        """Bytes of all batches so far, and :data:`~w2z.delivery.overflow.ITEM_COST` a message."""
        return self._journal.total

    def detach(self, session_id: str, client: ClientT, now: float, window: float) -> bool:
        """Note that the session's client has left; it may come back within ``window`` seconds.
        Returns whether the session was forgotten, too.

        A session that cannot be resumed is forgotten. A client that was already replaced changes
        nothing.
        """
        session = self._sessions.get(session_id)
        if session is None or session.client is not client:
            return False
        session.client = None
        session.unread.clear()
        session.detached_at, session.expires_at = now, now + window
        self._hold(session)
        if not session.resumable:
            self.forget(session_id)
        return not session.resumable

    def forget(self, session_id: str) -> None:
        """Drop a session and everything kept for it."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._gone.add(session.counters)
            self._memory.trim()

    def expired(self, now: float) -> list[str]:
        """Return the sessions whose client did not come back in time, to :meth:`forget`."""
        return [
            session.session_id
            for session in self._sessions.values()
            if session.client is None and session.expires_at <= now
        ]

    def owner(self, session_id: str) -> str | None:
        """Return the principal to whom the session belongs."""
        return self._sessions[session_id].owner

    def oldest_detached(self, owner: str | None = None) -> str | None:
        """Return the owner's session that has been without a client longest, if there is one."""
        mine = (session for session in self._sessions.values() if session.owner == owner)
        detached = [session for session in mine if session.client is None]
        if not detached:
            return None
        return min(detached, key=lambda session: session.detached_at).session_id

    def client(self, session_id: str) -> ClientT | None:
        """Return the session's client, if it has one."""
        return session.client if (session := self._sessions.get(session_id)) else None

    def sessions(self) -> list[Session[ClientT]]:
        """Return all sessions, with and without a client."""
        return list(self._sessions.values())

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._sessions

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sessions))

    def __len__(self) -> int:
        return len(self._sessions)

    def clients(self) -> Iterator[ClientT]:
        """Iterate over the connected clients of all sessions."""
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
        """Add a batch for one session, or for all (``None``), and return where to write it.

        ``own`` messages are w2z's: they answer no pending request and ask no question. A batch
        marked ``once`` is not sent again, even where it was not acknowledged. The journal has the
        batch when this returns, so :meth:`stalled` may be called while the batch is written.
        """
        if addressee is None:
            recipients = list(self._sessions.values())
        elif (session := self._sessions.get(addressee)) is None:
            return Delivery([], [])
        else:
            recipients = [session]
            if not own:
                # Before the batch is appended: `end` is the position it will have.
                hear(messages, session, self._journal.end)
        size = self._journal.append(addressee, messages, once=once)
        clients = [s.client for s in recipients if s.flowing and s.client is not None]
        if size >= LARGE_BATCH:
            return Delivery(clients, [], is_large=True)
        return Delivery(clients, self.make_room())

    def make_room(self) -> list[Session[ClientT]]:
        """Keep to the memory limit. Returns the sessions that were given up for that, and removed
        from the hub.
        """
        lost = self._memory.make_room()
        if lost:
            self._gone.add(*(one.counters for one in lost))
        return lost

    def spill_for_absent(self, most: int) -> bool:
        """Move about ``most`` bytes to the store that only sessions without a client need. Returns
        whether there may be more.
        """
        return self._memory.spill_for_absent(most)

    def is_speaking(self, session_id: str, left_before: float) -> bool:
        """Whether the session may have something to say to the kernel, or to hear on a channel of
        its own: it has a client, or had one after ``left_before``, or is owed a reply.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return False
        is_there = session.client is not None or session.detached_at > left_before
        return is_there or session.is_owed_reply

    def stalled(self, session_id: str, client: ClientT) -> None:
        """The client takes no more output: the session stops flowing.

        Call :meth:`read` when the client takes output again.
        """
        session = self._sessions.get(session_id)
        if session is not None and session.client is client:
            self._hold(session)

    def hold_after(self, count: int) -> list[tuple[str, ClientT]]:
        """Let only the first ``count`` of the flowing sessions flow on; return the others with
        their clients. These have to :meth:`read` what comes from now on.
        """
        flowing = [s for s in self._sessions.values() if s.flowing and s.client is not None]
        for session in flowing[count:]:
            self._hold(session)
        return [(s.session_id, s.client) for s in flowing[count:] if s.client is not None]

    def owes(self, session_id: str, client: ClientT) -> bool:
        """Whether there is something to :meth:`read` for the client before its session flows."""
        session = self._sessions.get(session_id)
        return session is not None and session.client is client and not session.flowing

    def read(self, session_id: str) -> list[Message]:
        """Return the next messages for a session that is not flowing, and not many at once.

        When the journal has no more for the session, the session flows; this method then returns
        the question to ask again, or nothing.
        """
        session = self._sessions[session_id]
        if not session.unread:
            session.unread.extend(self._parts(session))
        if not session.unread:
            session.flowing = True
            return list(session.question.ask_again())
        part = session.unread.popleft()
        session.point = part.point
        return part.messages

    def _parts(self, session: Session[ClientT]) -> list[Part]:
        """Return what the session reads next, in parts; nothing if it has read all."""
        parts: list[Part] = []
        if session.sent < session.floor:
            items, place = session.remains.read(session.sent, READ_SIZE)
            session.sent = session.floor if place is None else place
            # Remains have no points of their own, because they were put together from batches.
            messages = [session.as_message(item, self._new_header) for item in items]
            parts = [Part(messages, session.sent * OFFSETS)] if messages else []
        while not parts and session.sent < self._journal.end:
            batches, session.sent = self._journal.read(
                session.sent, session_id=session.session_id, handed=session.handed
            )
            parts = session.parts(batches, self._new_header)
        if not session.resumable:
            self._memory.arrive(session, session.sent)
        return parts

    def has_more(self, session_id: str) -> bool:
        """Whether there is more to :meth:`read` than what was read last."""
        session = self._sessions.get(session_id)
        return session is not None and (bool(session.unread) or session.sent < self._journal.end)

    def let_go(self) -> None:
        """Forget what is kept of the last :meth:`read` for other sessions that read the same."""
        self._journal.let_go()

    def position(self, session_id: str) -> int:
        """Return the point before which the client was sent everything.

        Pass it to :meth:`acknowledge` when the client has received that.
        """
        session = self._sessions[session_id]
        return session.point if session.unread else OFFSETS * session.position(self._journal.end)

    def acknowledge(self, session_id: str, client: ClientT, position: int) -> None:
        """Note that the client received everything before the point ``position``.

        A client that was replaced is ignored, and so is a point that the client was never sent.
        """
        session = self._sessions.get(session_id)
        if session is None or session.client is not client:
            return
        if position <= self.position(session_id):
            self._arrive(session, position)

    def _arrive(self, session: Session[ClientT], point: int) -> None:
        place, offset = divmod(point, OFFSETS)
        if place > session.acked:
            self._memory.arrive(session, place)
        if place == session.acked and offset > session.skipped_at(place):
            session.skip = place, offset

    # To the kernel.

    def to_kernel(self, session_id: str, request: Request) -> Forward | Repeat:
        """Decide whether a request goes to the kernel: :func:`w2z.delivery.requests.to_kernel`."""
        return to_kernel(request, self._sessions.get(session_id), self._journal)

    def connection_is_gone(self) -> dict[str, list[Request]]:
        """The sockets to the kernel are gone: no pending request can be answered any more.

        Returns each session's pending requests, in the order in which the kernel got them. The
        caller answers them at once. The kernel itself may live on.
        """
        end = self._journal.end
        return {name: lost for name, s in self._sessions.items() if (lost := give_up(s, end))}

    def begin_connection(self, session_id: str) -> None:
        """Count what was forwarded for the session so far as an earlier connection's requests.

        If a client sends one of them again, the request is a repeat.
        """
        session = self._sessions.get(session_id)
        if session is not None:
            session.forwarded.next_connection()

    def kernel_is_gone(self) -> dict[str, list[Request]]:
        """Do as :meth:`connection_is_gone`, and forget what was forwarded.

        The next kernel has none of those requests, so none of them is a repeat.
        """
        for session in self._sessions.values():
            session.forwarded.forget()
        return self.connection_is_gone()

    # For metrics.

    @property
    def load(self) -> Load:
        """The bytes kept now, in memory and in the store."""
        return self._memory.load

    @property
    def remembered(self) -> int:
        """The bytes that the memory of forwarded requests takes, about."""
        return SENT_COST * sum(len(session.forwarded) for session in self._sessions.values())

    @property
    def totals(self) -> Counters:
        """The counters of all sessions together, including sessions that are gone."""
        return Counters().add(self._gone, *(s.counters for s in self._sessions.values()))

    def queued(self, session: Session[ClientT]) -> int:
        """Return the bytes kept for the session; other sessions may share them."""
        return self._memory.queued(session)

    def _hold(self, session: Session[ClientT]) -> None:
        if session.flowing:
            session.flowing = False
            session.sent = self._journal.end
            if not session.resumable:
                self._memory.arrive(session, session.sent)

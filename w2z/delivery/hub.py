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
from dataclasses import dataclass
from typing import Generic, NamedTuple

from w2z.delivery.journal import Journal
from w2z.delivery.overflow import Gap, Item
from w2z.delivery.session import ClientT, Counters, Session
from w2z.errors import NotAllowed
from w2z.message import Channel, Message
from w2z.wire.json import parse_object

READ_SIZE = 2**20
"""Bytes of overflow's remains that one read hands out: a write the transport can swallow."""

TRIM_EVERY = 2**18
"""Bytes of growth after which the journal is looked through for what nobody needs."""


class Delivery(NamedTuple, Generic[ClientT]):
    """What to do with a batch: write it to ``clients``; ``lost`` sessions were given up."""

    clients: list[ClientT]
    lost: list[Session[ClientT]]


@dataclass(frozen=True)
class Load:
    """What is kept just now, in bytes."""

    memory: int
    spilled: int


class Hub(Generic[ClientT]):
    """The sessions of one kernel.

    ``limit`` is the memory in bytes; ``new_header`` makes the header of a ``stream`` message, for
    gap notices.
    """

    def __init__(self, limit: int, new_header: Callable[[], bytes], journal: Journal) -> None:
        self._limit = limit
        self._new_header = new_header
        self._journal = journal
        self._look_at = min(TRIM_EVERY, limit)
        self._sessions: dict[str, Session[ClientT]] = {}
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
            start, skip = self._before_end(replay)
            session = Session(session_id, resumable, acked=start, sent=start, floor=start)
            session.skip = (start, skip)
            self._sessions[session_id] = session
        else:
            session.counters.resumed += 1
            self._hold(session)
            self._rewind(session)
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

    def to_clients(self, addressee: str | None, messages: Sequence[Message]) -> Delivery[ClientT]:
        """Decide on a batch from the kernel for one session or for all (``None``).

        The journal has it from now on, so :meth:`stalled` may be called while it is being written.
        """
        if addressee is None:
            recipients = list(self._sessions.values())
        else:
            recipients = [s for s in (self._sessions.get(addressee),) if s is not None]
            if not recipients:
                return Delivery([], [])
            self._watch_input(recipients[0], messages)
        self._journal.append(addressee, messages)
        clients = [s.client for s in recipients if s.flowing and s.client is not None]
        return Delivery(clients, self._make_room())

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
            items, session.sent = self._journal.read(position, session_id)
            if items and not isinstance(items[0], Gap):
                items = items[session.skipped_at(position) :]
        if not items:
            session.flowing = True
            items = self._asked_again(session)
        if not session.resumable:
            self._arrived(session, session.sent)
        return [self._told(session, item) for item in items]

    def position(self, session_id: str) -> int:
        """What the client has been handed: :meth:`acknowledge` it when that has arrived."""
        session = self._sessions[session_id]
        return self._journal.end if session.flowing else session.sent

    def acknowledge(self, session_id: str, client: ClientT, position: int) -> None:
        """Everything before ``position`` has arrived; what the client cannot know is ignored."""
        session = self._sessions.get(session_id)
        if session is None or session.client is not client:
            return
        if session.acked < position <= self.position(session_id):
            self._arrived(session, position)

    # To the kernel.

    def check_to_kernel(self, session_id: str, message: Message) -> bool:
        """Whether to forward what a client sends: ``False`` for a repeat, which has had its turn.

        Raises :class:`~w2z.errors.NotAllowed` for what no client may send.
        """
        if message.channel is Channel.IOPUB:
            raise NotAllowed("iopub carries messages from the kernel only")
        session = self._sessions.get(session_id)
        if session is None or not session.forwarded.is_repeat(message):
            return True
        session.counters.repeats += 1
        return False

    def forwarded(self, session_id: str, message: Message) -> None:
        """The kernel's socket took it."""
        session = self._sessions.get(session_id)
        if session is not None and session.resumable:
            session.forwarded.note(message)
            if message.channel is Channel.STDIN:
                session.input_request = None

    def begin_connection(self, session_id: str) -> None:
        """What was forwarded for the session until now was said by an earlier client."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.forwarded.next_connection()

    def kernel_is_gone(self) -> None:
        """Another kernel, if any, does not wait for the answers this one waited for."""
        for session in self._sessions.values():
            session.input_request = None
            session.asks_again = False

    # Memory.

    @property
    def load(self) -> Load:
        """What is kept just now."""
        return Load(self._journal.memory + self._remains, self._journal.spilled)

    @property
    def totals(self) -> Counters:
        """What happened to all sessions, those that are gone included."""
        total = Counters()
        for counters in (self._gone, *(s.counters for s in self._sessions.values())):
            total.add(counters)
        return total

    def queued(self, session: Session[ClientT]) -> int:
        """Bytes kept for the session, others perhaps sharing them."""
        return session.remains.size + self._journal.size_from(session.needs(self._journal.end))

    def _before_end(self, count: int) -> tuple[int, int]:
        """Where the last ``count`` messages to all begin: a position, and messages to skip."""
        start = self._journal.end
        if count <= 0:
            return start, 0
        for position, batch in self._journal.backwards():
            if batch.addressee is None:
                start = position
                count -= len(batch.messages)
                if count <= 0:
                    return start, -count
        return start, 0

    def _hold(self, session: Session[ClientT]) -> None:
        if session.flowing:
            session.flowing = False
            session.sent = self._journal.end
            if not session.resumable:
                self._arrived(session, session.sent)

    def _rewind(self, session: Session[ClientT]) -> None:
        """Begin again, for another client, with what is not known to have arrived."""
        session.counters.resent += session.sent - session.acked
        session.sent = session.acked
        session.forwarded.next_connection()
        asked = session.input_request
        session.asks_again = asked is not None and asked[0] < session.acked

    def _arrived(self, session: Session[ClientT], position: int) -> None:
        held = session.needs(self._journal.end)
        session.acked = position
        session.remains.forget_before(position)
        too_much = self._journal.memory > self._journal.tail + TRIM_EVERY
        if self._journal.spilled or (too_much and held <= self._journal.start):
            self._trim()

    def _trim(self, *, keep_tail: bool = True) -> None:
        end = self._journal.end
        needed = min((s.needs(end) for s in self._sessions.values()), default=end)
        self._journal.trim(needed, keep_tail=keep_tail)
        self._look_at = min(self._journal.memory + TRIM_EVERY, self._limit - self._remains)

    def _make_room(self) -> list[Session[ClientT]]:
        """Keep to the limit, all sessions together; returns the sessions given up for it.

        What nobody needs goes first, then the oldest moves to the store. When that takes no more,
        the slowest session is moved past the oldest batches, without what may be dropped. When
        no batch is left in memory, what cannot be dropped is itself too much: the session with
        most of it goes.
        """
        if self._journal.memory <= self._look_at:
            return []
        self._trim()
        lost: list[Session[ClientT]] = []
        if self._journal.memory + self._remains > self._limit:
            self._trim(keep_tail=False)
        while self._journal.memory + self._remains > self._limit:
            if self._journal.memory and self._journal.spill():
                continue
            if self._journal.memory:
                end = self._journal.end
                self._move_on(min(self._sessions.values(), key=lambda s: s.needs(end)))
            else:
                lost.append(max(self._sessions.values(), key=lambda s: s.remains.size))
                self.forget(lost[-1].session_id)
        self._look_at = min(self._journal.memory + TRIM_EVERY, self._limit - self._remains)
        return lost

    def _move_on(self, slowest: Session[ClientT]) -> None:
        """Move the session past the oldest batches; what it keeps of them remains."""
        start, sent = slowest.needs(self._journal.end), self.position(slowest.session_id)
        for position, batch in self._journal.oldest():
            slowest.floor = position + 1
            if isinstance(batch, Gap):
                slowest.remains.add(position, batch, sent)
            elif position >= start and batch.is_for(slowest.session_id):
                for message in batch.messages[slowest.skipped_at(position) :]:
                    slowest.remains.add(position, message, sent)
        self._trim(keep_tail=False)

    @property
    def _remains(self) -> int:
        return sum(session.remains.size for session in self._sessions.values())

    # What a session is told.

    def _told(self, session: Session[ClientT], item: Item) -> Message:
        if not isinstance(item, Gap):
            return item
        session.counters.gaps += 1
        session.counters.dropped_messages += item.messages
        session.counters.dropped_bytes += item.size
        return item.notice(self._new_header())

    def _watch_input(self, session: Session[ClientT], messages: Sequence[Message]) -> None:
        """Remember what the kernel asks; a reply on shell ends the waiting for an answer."""
        for message in messages:
            if message.channel is Channel.SHELL:
                session.input_request = None
            elif message.channel is Channel.STDIN and _is_input_request(message):
                session.input_request = (self._journal.end, message)
                session.asks_again = False

    def _asked_again(self, session: Session[ClientT]) -> list[Item]:
        asked, again = session.input_request, session.asks_again
        session.asks_again = False
        return [asked[1]] if asked is not None and again else []


def _is_input_request(message: Message) -> bool:
    try:
        return parse_object(message.header, "header").get("msg_type") == "input_request"
    except ValueError:
        return False

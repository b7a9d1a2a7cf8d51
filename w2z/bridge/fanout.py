"""The clients of one kernel, and their sessions.

This module writes what :mod:`w2z.delivery` decides that a client gets, encoded once for each
format. It also opens and closes the sessions' sockets to the kernel.

Requests that wait when their client leaves still go to the kernel, before the requests of a later
client of the session. They wait as long as the session exists; if the session is gone, they wait
:data:`LAST_REQUESTS` seconds. :mod:`w2z.bridge.departed` limits how many requests are kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from w2z.bridge.client import Client, Sockets, Then
from w2z.bridge.departed import Departed
from w2z.bridge.encoding import Encoder
from w2z.bridge.thrift import Thrift
from w2z.delivery.hub import Hub
from w2z.delivery.session import Session
from w2z.errors import CloseCode
from w2z.message import Buffer, Message, size_of
from w2z.reports import Reports
from w2z.settings import Settings
from w2z.wire.payload import Codec

log = logging.getLogger("w2z")

SWEEP = 5.0
"""Seconds at most between two looks for sessions whose resume window is over."""

GRACE = 30.0
"""Seconds for which the session of a client that was cut off keeps its sockets to the kernel."""

CLOSED_SHARE = 0.1
"""The part of the resume window that a client has to come back which closed in good order."""

LAST_REQUESTS = 30.0
"""Seconds that the requests of departed clients wait for the kernel when their session is gone: a
kernel that is starting, or was restarted, mostly takes them by then.
"""

FEW_CLIENTS = 8
"""Clients that any batch may be written to in one step."""

STEP_BYTES = 2**23
"""Bytes that may be written to more clients in one step, in sum: some ten milliseconds' worth."""


class Clients:
    """The clients of one kernel. :meth:`use` gives the sockets that sessions send through."""

    def __init__(self, settings: Settings, hub: Hub[Client], reports: Reports) -> None:
        self._settings = settings
        self._hub = hub
        self._sockets: Sockets
        self._departed: Departed[Client] = Departed(settings.max_message_size)
        self._behind: deque[tuple[str, Client]] = deque()
        """Sessions, with their clients, that read what they were not written."""
        self._encoder = Encoder(reports, hub.let_go)

    def use(self, sockets: Sockets) -> None:
        """Open and close the sessions' sockets in ``sockets`` from now on."""
        self._sockets = sockets

    def speakers(self) -> set[str]:
        """Return the sessions that need sockets. One without a client does, too, while it is owed a
        reply, or while a departed client has requests.
        """
        now = time.monotonic()
        speaking = (one for one in self._hub if self._hub.is_speaking(one, now))
        return {*speaking, *self._departed.sessions()}

    # Who is connected.

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return sum(1 for _ in self._hub.clients())

    @property
    def sessions(self) -> int:
        """How many sessions have a client, or wait for one to resume them."""
        return len(self._hub)

    @property
    def hub(self) -> Hub[Client]:
        """The hub, for metrics."""
        return self._hub

    def __iter__(self) -> Iterator[Client]:
        """Iterate over all clients that may have requests: first the departed, then the connected.

        Clients retry in this order.
        """
        return iter([*self._departed, *self._hub.clients()])

    def may_attach(self, session_id: str, principal: str | None) -> bool:
        """Whether a client of that principal may be attached to the session: nobody else has it.

        Departed clients have it, too: the replies to their requests are for them.
        """
        owners = {departed.principal for departed in self._departed.of(session_id)}
        if session_id in self._hub:
            owners.add(self._hub.owner(session_id))
        return owners <= {principal}

    def has_room(self, session_id: str, principal: str | None) -> bool:
        """Whether a client of that session can be attached.

        :meth:`attach` may have to forget a session without a client for it: one of the same
        principal.
        """
        return self._fits(session_id) or self._oldest(principal) is not None

    def may_replace(self, session_id: str) -> bool:
        """Whether a newcomer may take the place of the session's client.

        One that has itself replaced another keeps it while it is alive. Otherwise two that connect
        again whenever they are replaced would do so for ever.
        """
        client = self._hub.client(session_id)
        return client is None or not self._hub.is_taken(session_id) or client.is_gone()

    def attach(
        self,
        session_id: str,
        client: Client,
        *,
        resumable: bool,
        replay: int = 0,
        received: int = 0,
        status: Message | None = None,
    ) -> None:
        """Connect a client to its session, which is new or is resumed.

        A new session gets the last ``replay`` messages, then ``status``, which tells what the
        kernel is doing. In a session that is resumed, everything before the position
        ``received`` counts as acknowledged. A client that is still connected to it is replaced: it
        is closed.
        Call :meth:`may_attach`, :meth:`may_replace` and :meth:`has_room` before.
        """
        is_new = session_id not in self._hub
        oldest = None if self._fits(session_id) else self._oldest(client.principal)
        if oldest is not None:
            self._forget(oldest)
        # Before the session is in the hub: this raises where no more sockets can be had.
        self._sockets.open_session(session_id)
        resumable = resumable and self._settings.resume_window > 0
        replaced = self._hub.attach(
            session_id,
            client,
            resumable=resumable,
            replay=replay,
            received=received,
            owner=client.principal,
        )
        if replaced is not None:
            replaced.close(
                CloseCode.REPLACED, "replaced by a newer connection with the same session_id"
            )
        if is_new and status is not None:
            # Sent by way of the journal: it comes after the replay, and before all later messages.
            self.send(session_id, [status], own=True)
        self.flow(session_id, client)

    def end_replay(self) -> None:
        """Replay nothing to newcomers that was sent until now."""
        self._hub.end_replay()

    def detach(self, session_id: str, client: Client, *, has_closed: bool = False) -> None:
        """Note that the client has left. Its session waits to be resumed, or is forgotten; it waits
        less if the client ``has_closed`` its websocket in good order.

        A client with :attr:`~w2z.bridge.client.Client.waiting` requests is departed from now on.
        """
        now = time.monotonic()
        window = self._settings.resume_window
        if has_closed:
            closed = self._settings.closed_window
            window = min(window, CLOSED_SHARE * window if closed is None else closed)
        ended = self._hub.detach(session_id, client, now, window)
        if client.waiting and (ended or session_id in self._hub):
            self._keep(session_id, client, now)
        # Who was cut off mostly comes back at once: its session keeps its sockets for that long.
        self._rest(session_id, now if has_closed or ended else now - GRACE)

    def retry(self, session_id: str) -> None:
        """Let the session's clients retry their requests, the departed first."""
        client = self._hub.client(session_id)
        for speaker in [*self._departed.of(session_id), *([] if client is None else [client])]:
            speaker.retry()

    def is_next(self, session_id: str, client: Client) -> bool:
        """Whether it is the client's turn to send: departed clients before it have sent all."""
        departed = self._departed.of(session_id)
        return not departed or departed[0] is client

    def heard(self, session_id: str, client: Client) -> None:
        """A departed client's requests were all taken, or dropped: forget the client.

        Closes the session's sockets if the session is gone and has no other departed client.
        """
        if not self._departed.heard(session_id, client):
            return
        # Even if they were sent after the present client came, they are an earlier connection's.
        self._hub.begin_connection(session_id)
        self._rest(session_id, time.monotonic() - GRACE)

    def _rest(self, session_id: str, left_before: float) -> None:
        """Close the session's sockets while nobody needs them: the kernel has files for each."""
        if session_id not in self._departed and not self._hub.is_speaking(session_id, left_before):
            self._sockets.close_session(session_id)

    async def sweep(self) -> None:
        """Run until cancelled: forget sessions that nobody resumed in time, and let those that wait
        cost little.

        Departed clients without a session are forgotten after :data:`LAST_REQUESTS` seconds.
        """
        windows = (self._settings.resume_window, self._settings.closed_window)
        pause = min([SWEEP, *(window for window in windows if window)])
        thrift = Thrift(self._hub)
        while True:
            await asyncio.sleep(pause)
            now = time.monotonic()
            for session_id in self._hub.expired(now):
                self._forget(session_id)
            for session_id in self._hub:
                self._rest(session_id, now - GRACE)
            await thrift.save()
            for session_id, left_at in self._without_session().items():
                if left_at <= now - LAST_REQUESTS:
                    self._forget(session_id)

    # What clients get.

    def send(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        own: bool = False,
        once: bool = False,
        then: Then = Then.ANY,
    ) -> None:
        """Write a batch to one session's client, or to all clients (``None``).

        ``own`` says that w2z wrote the messages, not the kernel. A batch marked ``once`` is not
        written again, even where it was not acknowledged.

        The hub has the batch before the first write. A write may call :meth:`stalled` or
        :meth:`detach` before it returns: the batch counts as sent to that client all the same, and
        the other clients still get it.
        """
        if session_id is None and len(self._hub) > FEW_CLIENTS:
            self._spread(messages)
        clients, lost, is_large = self._hub.to_clients(session_id, messages, own=own, once=once)
        encoded: dict[Codec, list[Buffer]] = {}
        for client in clients:
            pieces = encoded.get(client.codec)
            if pieces is None:
                pieces = encoded[client.codec] = self._encoder.pieces(client.codec, messages)
            _write(client, pieces, then)
        for session in lost:
            self._give_up(session)
        if is_large:
            # In a step of its own, because it may write all of the batch to a file.
            asyncio.get_running_loop().call_soon(self._make_room)

    def _spread(self, messages: Sequence[Message]) -> None:
        """Let only some clients be written to in this step, if the batch is too much for all. Each
        other reads it from its session in a step of its own.
        """
        most = max(FEW_CLIENTS, STEP_BYTES // max(size_of(messages), 1))
        if most >= len(self._hub):
            return
        for behind in self._hub.hold_after(most):
            if not self._behind:
                asyncio.get_running_loop().call_soon(self._catch_up)
            self._behind.append(behind)

    def _catch_up(self) -> None:
        self.flow(*self._behind.popleft())
        if self._behind:
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _make_room(self) -> None:
        for session in self._hub.make_room():
            self._give_up(session)

    def stalled(self, session_id: str, client: Client) -> None:
        """The client takes no more output: stop writing to it until :meth:`flow` is called."""
        self._hub.stalled(session_id, client)

    def flow(self, session_id: str, client: Client) -> None:
        """Write to the client what its session has not read yet, as long as the client takes it."""
        while client.writable and self._hub.owes(session_id, client):
            messages = self._hub.read(session_id)
            then = Then.MORE if self._hub.has_more(session_id) else Then.NOTHING
            _write(client, self._encoder.shared(client.codec, messages), then)
        self._encoder.let_go()

    def position(self, session_id: str) -> int:
        """Return the position before which the client was sent all, for :meth:`acknowledge`."""
        return self._hub.position(session_id)

    def acknowledge(self, session_id: str, client: Client, position: int) -> None:
        """Note that the client received everything before ``position``."""
        self._hub.acknowledge(session_id, client, position)

    # Which session is forgotten.

    def _fits(self, session_id: str) -> bool:
        waiting = self._without_session()
        if session_id in self._hub or session_id in waiting:
            return True
        return len(self._hub) + len(waiting) < self._settings.max_connections

    def _oldest(self, principal: str | None) -> str | None:
        """Return the session of that principal to forget when there is no room.

        The first choice is a session of which only departed clients are left, the second the
        session that has been without a client longest.
        """
        for session_id in self._without_session():
            if self.may_attach(session_id, principal):
                return session_id
        return self._hub.oldest_detached(principal)

    def _without_session(self) -> dict[str, float]:
        """Return the sessions of which only departed clients are left, and when the last left."""
        there = self._departed.sessions()
        return {name: left_at for name, left_at in there.items() if name not in self._hub}

    def _keep(self, session_id: str, client: Client, now: float) -> None:
        if not self._departed.add(session_id, client, now):
            log.warning(
                "dropped %d bytes of requests: their client has left, and the kernel takes none",
                client.waiting,
            )

    def _give_up(self, session: Session[Client]) -> None:
        log.warning("a session was given up: its client reads too slowly for what it is sent")
        self._departed.forget(session.session_id)
        self._sockets.close_session(session.session_id)
        if session.client is not None:
            session.client.close(
                CloseCode.TRY_AGAIN_LATER, "this client reads too slowly; connect again"
            )

    def _forget(self, session_id: str) -> None:
        self._hub.forget(session_id)
        self._departed.forget(session_id)
        self._sockets.close_session(session_id)


def _write(
    client: Client,
    pieces: Iterable[Buffer | bytearray],
    then: Then,
) -> None:
    """Write pieces that belong together. Only with the last one are they whole: the position that a
    ping carries is already behind all of them.
    """
    last: Buffer | bytearray | None = None
    for piece in pieces:
        if last is not None:
            client.write(last, Then.REST)
        last = piece
    if last is not None:
        client.write(last, then)

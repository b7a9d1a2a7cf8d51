"""The clients of one kernel, and their sessions.

Who gets what is decided in :mod:`w2z.delivery`; here it is encoded, once for each format, and
written. A session that is new or gone opens or closes its sockets to the kernel.

What a client said before it left goes to the kernel all the same, before anything that a later
client of its session says: as long as there is the session, or for :data:`LAST_REQUESTS` seconds
where there is none to come back to. :mod:`w2z.bridge.departed` bounds how much of that is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from w2z.bridge.departed import Departed
from w2z.delivery.hub import Hub
from w2z.delivery.session import Session
from w2z.errors import CloseCode, KernelMessageError
from w2z.message import Message
from w2z.reports import Reports
from w2z.settings import Settings
from w2z.wire.payload import Codec, to_frames

log = logging.getLogger("w2z")

SWEEP = 5.0
"""Seconds at most between looks for sessions whose resume window is over."""

LAST_REQUESTS = 30.0
"""Seconds in which the kernel may take what a client without a session said before it left: one
that is starting, or was restarted, mostly does by then.
"""


class Client(Protocol):
    """A connected websocket."""

    codec: Codec

    @property
    def writable(self) -> bool:
        """Whether it takes more just now; when that ends, call :meth:`Clients.stalled`."""

    @property
    def waiting(self) -> int:
        """Bytes of messages from it that the kernel has yet to take, even after it left."""

    def write(self, frames: bytes) -> None:
        """Send framed payloads."""

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection; nothing is written to it any more."""

    def retry(self) -> None:
        """Messages that were refused on their way to the kernel may be handed in again, even by a
        client that left; it calls :meth:`Clients.heard` when none is left.
        """


class Sockets(Protocol):
    """The way to the kernel, as far as sessions have one each."""

    def open_session(self, session_id: str) -> None:
        """The session may send."""

    def close_session(self, session_id: str) -> None:
        """The session is gone."""


class Clients:
    """Those of one kernel, reached by the sockets it is given with :meth:`use`."""

    def __init__(self, settings: Settings, hub: Hub[Client], reports: Reports) -> None:
        self._settings = settings
        self._hub = hub
        self._reports = reports
        self._sockets: Sockets
        self._departed: Departed[Client] = Departed(settings.max_message_size)

    def use(self, sockets: Sockets) -> None:
        """Sessions open and close their sockets there from now on."""
        self._sockets = sockets

    def speakers(self) -> set[str]:
        """The sessions that need sockets to the kernel."""
        return {*self._hub, *self._departed.sessions()}

    # Who is there.

    @property
    def connections(self) -> int:
        """Websockets connected now."""
        return sum(1 for _ in self._hub.clients())

    @property
    def sessions(self) -> int:
        """Sessions with a client, or waiting for theirs to come back."""
        return len(self._hub)

    @property
    def hub(self) -> Hub[Client]:
        """For whoever wants to know how the sessions fare."""
        return self._hub

    def __iter__(self) -> Iterator[Client]:
        """Whoever may have something for the kernel, in the order in which to hear them: those that
        are connected behind those that left.
        """
        return iter([*self._departed, *self._hub.clients()])

    def has_room(self, session_id: str) -> bool:
        """Whether a client of that session can be attached; a session that waits for a client
        that left may have to go for it.
        """
        return self._fits(session_id) or self._oldest() is not None

    def attach(
        self,
        session_id: str,
        client: Client,
        *,
        resumable: bool,
        replay: int = 0,
        status: Message | None = None,
    ) -> None:
        """Connect a client to its session, which is made or taken up again.

        A new session gets the last ``replay`` messages, then ``status``: what the kernel is doing.
        A client that has the session already is closed: it is replaced. Ask :meth:`has_room`
        before.
        """
        is_new = session_id not in self._hub
        oldest = None if self._fits(session_id) else self._oldest()
        if oldest is not None:
            self._forget(oldest)
        self._sockets.open_session(session_id)
        resumable = resumable and self._settings.resume_window > 0
        replaced = self._hub.attach(session_id, client, resumable=resumable, replay=replay)
        if replaced is not None:
            replaced.close(
                CloseCode.REPLACED, "replaced by a newer connection with the same session_id"
            )
        if is_new and status is not None:
            # Through the journal: so it comes behind the replay, and before what is said later.
            self.send(session_id, [status], own=True)
        self.flow(session_id, client)

    def detach(self, session_id: str, client: Client) -> None:
        """The client is gone; its session waits for it if it may come back.

        A client that is :attr:`~Client.waiting` will be resumed all the same.
        """
        now = time.monotonic()
        ended = self._hub.detach(session_id, client, now)
        if client.waiting and (ended or session_id in self._hub):
            self._keep(session_id, client, now)
        if ended and session_id not in self._departed:
            self._sockets.close_session(session_id)

    def retry(self, session_id: str) -> None:
        """The kernel takes messages of that session again."""
        client = self._hub.client(session_id)
        for speaker in [*self._departed.of(session_id), *([] if client is None else [client])]:
            speaker.retry()

    def is_next(self, session_id: str, client: Client) -> bool:
        """Whether it is the client's turn to speak: those that left before it have been heard."""
        departed = self._departed.of(session_id)
        return not departed or departed[0] is client

    def heard(self, session_id: str, client: Client) -> None:
        """The kernel has taken all that a client said that is gone, or will not."""
        if not self._departed.heard(session_id, client):
            return
        self._hub.begin_connection(session_id)
        if session_id not in self._departed and session_id not in self._hub:
            self._sockets.close_session(session_id)

    async def sweep(self) -> None:
        """Forget sessions whose client does not come back, for ever."""
        window = self._settings.resume_window
        while True:
            await asyncio.sleep(min(window or SWEEP, SWEEP))
            now = time.monotonic()
            for session_id in self._hub.expired(now - window):
                self._forget(session_id)
            for session_id, left_at in self._without_session().items():
                if left_at <= now - LAST_REQUESTS:
                    self._forget(session_id)

    # What they get.

    def send(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        own: bool = False,
        once: bool = False,
    ) -> None:
        """Write messages to one session's client or to all (``None``): the kernel's, or w2z's
        ``own``, which are no answers of the kernel. Written ``once``, they are not written again
        although they were not acknowledged.

        The hub has the batch before the first write of it. A write may call :meth:`stalled` or
        :meth:`detach` before it returns: then what was written counts as handed out already, and
        the others of ``clients`` are the same as before.
        """
        clients, lost = self._hub.to_clients(session_id, messages, own=own, once=once)
        encoded: dict[Codec, bytes] = {}
        for client in clients:
            frames = encoded.get(client.codec)
            if frames is None:
                frames = encoded[client.codec] = self._encode(client.codec, messages)
            client.write(frames)
        for session in lost:
            self._give_up(session)

    def stalled(self, session_id: str, client: Client) -> None:
        """The client takes no more for now; :meth:`flow` when it does."""
        self._hub.stalled(session_id, client)

    def flow(self, session_id: str, client: Client) -> None:
        """Write to the client what it has not got yet, as far as it takes it."""
        while client.writable and self._hub.owes(session_id, client):
            messages = self._hub.read(session_id)
            if messages:
                client.write(self._encode(client.codec, messages))

    def position(self, session_id: str) -> int:
        """What the session's client has been handed, for :meth:`acknowledge`."""
        return self._hub.position(session_id)

    def acknowledge(self, session_id: str, client: Client, position: int) -> None:
        """All that the client was handed before ``position`` has arrived."""
        self._hub.acknowledge(session_id, client, position)

    def _encode(self, codec: Codec, messages: Sequence[Message]) -> bytes:
        try:
            return to_frames(codec, messages)
        except KernelMessageError:
            pass
        # One of them does not fit this format: the others still arrive.
        frames = []
        for message in messages:
            try:
                frames.append(to_frames(codec, [message]))
            except KernelMessageError as error:
                self._reports.drop(message.channel, error)
        return b"".join(frames)

    # Whose session goes.

    def _fits(self, session_id: str) -> bool:
        taken = len(self._hub) + len(self._without_session())
        return session_id in self._hub or taken < self._settings.max_connections

    def _oldest(self) -> str | None:
        """What has to go first when there is no room: rather a last request than a session."""
        return next(iter(self._without_session()), None) or self._hub.oldest_detached()

    def _without_session(self) -> dict[str, float]:
        """Where clients have yet to be heard that have no session to come back to; since when."""
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

"""The only joint between the kernel's side and the websockets' side.

It carries messages both ways and decides nothing: formats are :mod:`w2z.wire`'s, who gets what is
:mod:`w2z.hub`'s, readiness is :mod:`w2z.kernel.lifecycle`'s. To the kernel it is
:meth:`Bridge.to_kernel`, to the clients ``_from_kernel``. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from w2z.connection_file import ConnectionInfo
from w2z.errors import ClientError, KernelMessageError
from w2z.hub.hub import Hub
from w2z.hub.journal import Journal
from w2z.hub.overflow import Gap, is_droppable
from w2z.hub.session import Session
from w2z.hub.state import KernelState
from w2z.kernel.backlog import Backlog
from w2z.kernel.channels import Channels
from w2z.kernel.conversation import Conversation
from w2z.kernel.keeper import Listener
from w2z.message import Channel, Message
from w2z.settings import Settings
from w2z.spill import Room, SpillFiles
from w2z.store import Store
from w2z.wire import zmq as zmq_wire
from w2z.wire.header import header, stderr_stream
from w2z.wire.jsontext import dump, parse_object
from w2z.wire.payload import Codec, to_frames
from w2z.wire.subprotocol import V1

log = logging.getLogger("w2z")

SWEEP = 5.0
"""Seconds at most between looks for sessions whose resume window is over."""

BURST = 10.0
"""Seconds in which trouble of one kind is logged once."""

BUSY_FOR = 0.2
"""Seconds a kernel has been busy before w2z answers in its place: most are idle again sooner."""


class Client(Protocol):
    """A connected websocket, as the bridge sees it."""

    codec: Codec

    @property
    def writable(self) -> bool:
        """Whether it takes more just now; when that ends, call :meth:`Bridge.stalled`."""

    def write(self, frames: bytes) -> None:
        """Send framed payloads."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection; nothing is written to it any more."""

    def resume(self) -> None:
        """Messages refused by :meth:`Bridge.to_kernel` may be handed in again."""


class Bridge:
    """One kernel and its clients. An async context manager: entered, it is connected."""

    def __init__(self, settings: Settings, info: ConnectionInfo, kernel_id: str) -> None:
        self.kernel_id = kernel_id
        self.started = datetime.now(UTC)
        self.state = KernelState(self.started, kernel_id)
        self.dropped = 0
        self.outpaced = 0
        self._settings = settings
        self._info = info
        self._signer = info.signer()
        room = Room(settings.spill_size)
        self._spills = [SpillFiles(room, settings.spill_dir) for _ in range(2)]
        stores: list[Store | None] = [*self._spills] if room.limit else [None, None]
        journal = Journal(stores[0], settings.replay_size, self._on_spill_trouble)
        self._backlog = Backlog(stores[1], self._may_go, self._on_missing, self._on_spill_trouble)
        self._hub: Hub[Client] = Hub(settings.journal_size, lambda: self._header("stream"), journal)
        self._stack = contextlib.AsyncExitStack()
        self._gate_is_open = False
        self._is_held = False
        self.listener: Listener | None = None
        self._last_drop_log = float("-inf")
        self._last_spill_log = float("-inf")

    async def __aenter__(self) -> Self:
        self._channels = self._open_channels()
        for spill in self._spills:
            self._stack.callback(spill.close)
        self._stack.callback(self._close_channels)
        self.conversation = Conversation(
            self._channels, self._signer, self.kernel_id, self._open_gate
        )
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        for work in (self.conversation.run(), self._sweep()):
            self._stack.callback(tasks.create_task(work).cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

    # Clients.

    @property
    def ready(self) -> bool:
        """Whether the kernel answered and its output arrives, and it is not on its way out."""
        return self.conversation.readiness.is_ready and not self._is_held

    @property
    def connections(self) -> int:
        """Websockets connected now."""
        return sum(1 for _ in self._hub.clients())

    @property
    def sessions(self) -> int:
        """Sessions with a client, or waiting for theirs to come back."""
        return len(self._hub)

    def has_room(self, session_id: str) -> bool:
        """Whether a client of that session can be attached; one that waits for a client that
        left may have to go for it.
        """
        return self._fits(session_id) or self._hub.oldest_detached() is not None

    def attach(self, session_id: str, client: Client, *, resumable: bool, replay: int = 0) -> None:
        """Connect a client to its session, which is made or taken up again.

        A new session gets the last ``replay`` messages, and hears what the kernel is doing. A
        client that has the session already is closed with 4409. Ask :meth:`has_room` before.
        """
        is_new = session_id not in self._hub
        oldest = None if self._fits(session_id) else self._hub.oldest_detached()
        if oldest is not None:
            self._forget(oldest)
        self._channels.open_session(session_id)
        resumable = resumable and self._settings.resume_window > 0
        replaced = self._hub.attach(session_id, client, resumable=resumable, replay=replay)
        if replaced is not None:
            replaced.close(4409, "replaced by a newer connection with the same session_id")
        self.flow(session_id, client)
        if is_new and self.state.last_status is not None:
            client.write(self._encode(client.codec, [self.state.last_status]))

    def detach(self, session_id: str, client: Client) -> None:
        """The client is gone; its session waits for it if it may come back."""
        if self._hub.detach(session_id, client, time.monotonic()):
            self._channels.close_session(session_id)

    def stalled(self, session_id: str, client: Client) -> None:
        """The client takes no more for now; :meth:`flow` when it does."""
        self._hub.stalled(session_id, client)

    def flow(self, session_id: str, client: Client) -> None:
        """Write to the client what it has not got yet, as far as it takes it."""
        while client.writable and self._hub.owes(session_id, client):
            messages = self._hub.read(session_id)
            if messages:
                client.write(self._encode(client.codec, messages))

    @property
    def hub(self) -> Hub[Client]:
        """The sessions, for whoever wants to know how they fare."""
        return self._hub

    @property
    def waiting(self) -> int:
        """Bytes in memory of what the kernel sent faster than w2z could work."""
        return self._backlog.memory

    def position(self, session_id: str) -> int:
        """What the session's client has been handed, for :meth:`acknowledge`."""
        return self._hub.position(session_id)

    def acknowledge(self, session_id: str, client: Client, position: int) -> None:
        """All that the client was handed before ``position`` has arrived."""
        self._hub.acknowledge(session_id, client, position)

    # The kernel as a whole.

    @property
    def kernel_name(self) -> str:
        """The name of the kernel's spec, as far as its connection file or it itself tells."""
        if self._info.kernel_name:
            return self._info.kernel_name
        told = self.conversation.kernel_info or {}
        name = str(told.get("implementation") or "kernel").lower()
        # The name under which ipykernel installs itself.
        return "python3" if name == "ipython" else name

    @property
    def is_busy(self) -> bool:
        """Whether the kernel is running something."""
        return self.state.execution_state == "busy"

    def connect(self, info: ConnectionInfo) -> None:
        """Leave the sockets there were, with all that was under way to the kernel, and serve the
        one at ``info``; every session gets sockets there.
        """
        self._channels.close(0)
        self._hub.kernel_is_gone()
        self._info = info
        self._signer = info.signer()
        self._channels = self._open_channels()
        for session_id in self._hub:
            self._channels.open_session(session_id)
        self._is_held = False
        self.conversation.begin(self._channels, self._signer)

    def hold(self) -> None:
        """Keep clients' requests back until :meth:`connect`: they are for the next kernel."""
        self._is_held = True
        self._gate_is_open = False
        self.conversation.be_quiet()

    def mark(self, state: str) -> None:
        """Let the kernel model say this until requests are taken again; clients hear the kernel's
        own states.
        """
        self.state.mark(state)

    def announce(self, state: str, reason: str | None = None) -> None:
        """Tell every client an execution state that the kernel cannot tell itself.

        In the shape of jupyter_server's: a status without a parent, after which frontends give up
        what they waited for. ``reason`` is a field more, and a line on stderr.
        """
        self.state.begin_anew(state)
        messages = []
        content = {"execution_state": state}
        if reason is not None:
            content["reason"] = reason
            messages.append(stderr_stream(self._header("stream"), b"{}", f"w2z: {reason}\n"))
        status = (self._header("status"), b"{}", b"{}", dump(content))
        self.state.last_status = Message(Channel.IOPUB, *status)
        self._to_clients(None, [*messages, self.state.last_status])

    async def last_words(self) -> None:
        """Carry what a kernel that has ended still said."""
        await self._channels.last_words()

    def printed(self, name: str, text: str) -> None:
        """Carry what the kernel's process printed outside of any cell."""
        if not self.is_busy:
            content = dump({"name": name, "text": text})
            stream = Message(Channel.IOPUB, self._header("stream"), b"{}", b"{}", content)
            self._to_clients(None, [stream])

    def _open_channels(self) -> Channels:
        return Channels(
            self._info,
            max_sessions=self._settings.max_connections,
            signed=self._signer.signs,
            receive=self._from_kernel,
            writable=self._writable,
            echo=self._from_heartbeat,
            lost=self._on_lost,
            backlog=self._backlog,
        )

    def _close_channels(self) -> None:
        self._channels.close()

    def _on_lost(self) -> None:
        if self.listener is not None:
            self.listener.on_lost()

    # The path of a message.

    def to_kernel(self, session_id: str, message: Message) -> bool:
        """Carry a client's message to the kernel.

        ``False``: not now, the kernel takes no more of this session; hand it in again after
        :meth:`Client.resume`. Raises :class:`~w2z.errors.NotAllowed` for what may not be sent.
        """
        if message.channel is Channel.HB:
            payload = b"".join(V1.encode(message).chunks)
            self._channels.send_heartbeat(session_id, payload)
            return True
        if not self._hub.check_to_kernel(session_id, message):
            return True
        if not self._gate_is_open:
            return False
        if self._is_answered_here(session_id, message):
            return True
        parts = zmq_wire.to_parts(message, self._signer)
        if not self._channels.send(session_id, message.channel, parts):
            return False
        self._hub.forwarded(session_id, message)
        if b'"shutdown_request"' in message.header:
            self._on_shutdown_request(message)
        return True

    def _is_answered_here(self, session_id: str, message: Message) -> bool:
        """Tell a client what the kernel is while the kernel itself is too busy to."""
        content = self.conversation.kernel_info_content
        if (
            b'"kernel_info_request"' not in message.header
            or message.channel is not Channel.SHELL
            or content is None
            or not self.state.is_busy_for(BUSY_FOR, datetime.now(UTC))
        ):
            return False
        head = self._header("kernel_info_reply")
        reply = Message(Channel.SHELL, head, message.header, b"{}", content)
        self._to_clients(session_id, [reply])
        return True

    def _on_shutdown_request(self, message: Message) -> None:
        try:
            is_one = parse_object(message.header, "header").get("msg_type") == "shutdown_request"
            restart = bool(parse_object(message.content, "content").get("restart"))
        except ValueError:
            return  # the kernel will not understand it either
        if is_one and self.listener is not None:
            self.listener.on_shutdown_request(restart=restart)

    def _from_kernel(
        self, session_id: str | None, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        messages = []
        for parts in batch:
            try:
                messages.append(zmq_wire.from_parts(channel, parts, self._signer))
            except KernelMessageError as error:
                self._drop(channel, error)
                messages += self._rescue(channel, parts)
        if not messages:
            return
        if channel is Channel.IOPUB:
            self.state.observe(messages, datetime.now(UTC))
            self.conversation.readiness.on_iopub()
            self._open_gate()
        if session_id == self.conversation.session_id:
            self.conversation.on_replies(messages)
        else:
            self._to_clients(session_id, messages)

    def _may_go(self, parts: list[bytes]) -> bool:
        """Whether clients can do without what the kernel sent there."""
        try:
            return is_droppable(zmq_wire.from_parts(Channel.IOPUB, parts, self._signer))
        except KernelMessageError:
            return False  # it is dropped, and counted, when it is looked at

    def _on_missing(self, messages: int, size: int) -> None:
        """Tell every client what of the kernel's output there was no room for."""
        self.outpaced += messages
        gap = Gap(messages, size, b"{}", "the kernel sent them faster than w2z could carry them")
        self._to_clients(None, [gap.notice(self._header("stream"))])

    def _rescue(self, channel: Channel, parts: Sequence[bytes]) -> list[Message]:
        """The good message that a bad one before it was received together with."""
        while parts := zmq_wire.rest_of(parts):
            with contextlib.suppress(KernelMessageError):
                return [zmq_wire.from_parts(channel, parts, self._signer)]
        return []

    def _to_clients(self, session_id: str | None, messages: Sequence[Message]) -> None:
        clients, lost = self._hub.to_clients(session_id, messages)
        encoded: dict[Codec, bytes] = {}
        for client in clients:
            frames = encoded.get(client.codec)
            if frames is None:
                frames = encoded[client.codec] = self._encode(client.codec, messages)
            client.write(frames)
        for session in lost:
            self._give_up(session)

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
                self._drop(message.channel, error)
        return b"".join(frames)

    def _from_heartbeat(self, session_id: str, payload: bytes) -> None:
        if session_id == self.conversation.session_id:
            if self.listener is not None:
                self.listener.on_echo()
            return
        try:
            message = V1.decode(payload, text=False)
        except ClientError as error:
            # Not what was sent: the echo is not signed, and whose it was is not known to be true.
            self._drop(Channel.HB, KernelMessageError(str(error)))
            return
        self._to_clients(session_id, [message])

    def _writable(self, session_id: str) -> None:
        client = self._hub.client(session_id)
        if client is not None:
            client.resume()

    def _open_gate(self) -> None:
        """Take up clients' requests as soon as their output would be seen."""
        was_open = self._gate_is_open
        self._gate_is_open = not self._is_held and self.conversation.readiness.accepts_requests
        if not self._gate_is_open or was_open:
            return
        self.state.unmark()
        if self.listener is not None:
            self.listener.on_open()
        for client in list(self._hub.clients()):
            client.resume()

    # Housekeeping.

    def _fits(self, session_id: str) -> bool:
        return session_id in self._hub or len(self._hub) < self._settings.max_connections

    def _give_up(self, session: Session[Client]) -> None:
        log.warning("a session was given up: its client reads too slowly for what it is sent")
        self._channels.close_session(session.session_id)
        if session.client is not None:
            session.client.close(1013, "this client reads too slowly; connect again")

    def _forget(self, session_id: str) -> None:
        self._hub.forget(session_id)
        self._channels.close_session(session_id)

    def _on_spill_trouble(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._last_spill_log >= BURST:
            self._last_spill_log = now
            log.warning(
                "cannot keep output in temporary files: %s; what memory has no room for is"
                " dropped, and clients are told",
                error.strerror,
            )

    def _drop(self, channel: Channel, error: KernelMessageError) -> None:
        self.dropped += 1
        now = time.monotonic()
        if now - self._last_drop_log >= BURST:
            self._last_drop_log = now
            log.warning(
                "dropped a kernel message on %s (%d so far): %s", channel, self.dropped, error
            )

    def _header(self, msg_type: str) -> bytes:
        return header(msg_type, uuid.uuid4().hex, self.kernel_id, datetime.now(UTC))

    async def _sweep(self) -> None:
        window = self._settings.resume_window
        while window:
            await asyncio.sleep(min(window, SWEEP))
            for session_id in self._hub.expired(time.monotonic() - window):
                self._forget(session_id)

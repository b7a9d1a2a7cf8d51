"""The only connection between the kernel's side and the clients' side.

:meth:`Bridge.to_kernel` carries requests to the kernel, :meth:`Bridge.from_kernel` carries the
kernel's messages to clients. Other modules decide how messages are encoded (:mod:`w2z.wire`), who
gets them (:mod:`w2z.delivery`), and whether requests may go to the kernel
(:mod:`w2z.kernel.life`). Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from types import TracebackType
from typing import Self

from w2z.bridge.admission import may_ask
from w2z.bridge.client import Client, Then
from w2z.bridge.fanout import Clients
from w2z.bridge.introduction import Introduction, asks_what_the_kernel_is
from w2z.bridge.lag import Lag
from w2z.bridge.own_messages import OwnMessages
from w2z.counts import Counts
from w2z.delivery.hub import Hub
from w2z.delivery.journal import Journal
from w2z.delivery.overflow import ITEM_COST, Gap, is_droppable
from w2z.delivery.repeats import Repeat
from w2z.errors import ClientError, KernelMessageError, KernelMessageTooLarge
from w2z.holdings import Holdings
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.kernel import Kernel
from w2z.kernel.link import Link
from w2z.kernel.sockets.options import check_endpoints
from w2z.kernel.sockets.room import Room
from w2z.logs.audit import AuditLog
from w2z.message import Channel, Message, Request, digest
from w2z.reports import Reports
from w2z.settings import Settings
from w2z.store.files import SpillBudget, SpillFiles
from w2z.store.store import Store
from w2z.timing import Timing
from w2z.wire import zmq as zmq_wire
from w2z.wire.authored import stream
from w2z.wire.outline import asks_to_restart
from w2z.wire.signature import Signer
from w2z.wire.subprotocol import V1

DEFAULT_TIMING = Timing()

READ_BY_ANOTHER = (
    "[w2z] output may be missing here: an earlier connection of this session, which was still"
    " there, acknowledged it.\n"
)
"""Text for a client that took the place of another one."""


class Bridge:
    """One kernel and its clients. An async context manager: entering it connects to the kernel.

    Entering raises :class:`~w2z.errors.ConnectionFileError` for endpoints that ZMQ does not take.
    """

    def __init__(
        self,
        settings: Settings,
        info: ConnectionInfo,
        kernel_id: str,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self.kernel_id = kernel_id
        self.started = datetime.now(UTC)
        self.reports = Reports()
        self.counts = Counts()
        self.lag = Lag()
        self.audit: AuditLog | None = None
        """Gets every request that the kernel takes; its author has to be set."""
        self.outpaced = 0
        self.overruns = 0
        most = max(settings.memory_budget, settings.journal_size)
        self._room = Room(most + settings.max_kernel_message_size)
        self._settings = settings
        self._own = OwnMessages(self._header_session)
        budget = SpillBudget(settings.spill_size)
        self._spills = [SpillFiles(budget, settings.spill_dir) for _ in range(2)]
        stores: list[Store | None] = [*self._spills] if budget.limit else [None, None]
        self._backlog_store = stores[1]
        journal = Journal(stores[0], settings.replay_size, self.reports.spill)
        self._hub: Hub[Client] = Hub(
            settings.journal_size, lambda: self._own.header("stream"), journal
        )
        self.clients = Clients(settings, self._hub, self.reports)
        self.holdings = Holdings(settings.memory_budget, timing.crowd)
        self.holdings.count(self._kept)
        self.kernel = Kernel(
            info,
            kernel_id,
            self,
            self._open_link,
            is_owned=settings.starts_kernel,
            timing=timing,
        )
        self._stack = contextlib.AsyncExitStack()
        self._introduction = Introduction(self.kernel, self._own, self.clients)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as undo:
            # The last to be closed: closing the link still frees what its backlog stored.
            for spill in self._spills:
                undo.callback(spill.close)
            check_endpoints(self.kernel.connection_info)
            self.kernel.connect()
            undo.callback(self.kernel.close)
            tasks = await undo.enter_async_context(asyncio.TaskGroup())
            for work in (self.clients.sweep(), self.lag.watch()):
                undo.callback(tasks.create_task(work).cancel)
            undo.callback(self._introduction.close)
            self._stack = undo.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

    @property
    def waiting(self) -> int:
        """Bytes of the backlog in memory: received from the kernel, not yet carried to clients."""
        return self.kernel.link.backlog.memory

    def _kept(self) -> int:
        """Return the bytes that are kept, in memory, for clients and for the kernel."""
        requests = self.kernel.link.channels.under_way + sum(one.waiting for one in self.clients)
        return self._hub.load.memory + self._hub.remembered + self.waiting + requests

    def newcomer_status(self) -> Message | None:
        """Return the status that tells a newcomer what the kernel is doing: the last one, as a
        message of its own. A client of several sessions refuses a message that comes again.

        ``None`` where no status was seen and the REST model says only starting or idle.
        """
        state, last = self.kernel.state, self.kernel.state.last_status
        if last is None and state.execution_state not in ("starting", "idle"):
            return self._own.status(state.execution_state)
        return None if last is None else last._replace(header=self._own.header("status"))

    def printed(self, name: str, text: str) -> None:
        """Send all clients text that the kernel's process printed, unless the kernel is busy."""
        if not self.kernel.is_busy:
            self.clients.send(None, [self._own.stream(name, text)])

    def _answer(self, lost: Mapping[str, Sequence[Request]], reason: str) -> None:
        """Answer each session's lost requests in the kernel's place; ``reason`` is a clause."""
        info = self.kernel.info_content
        for session_id, requests in lost.items():
            answers = [*chain.from_iterable(self._own.lost(r, reason, info) for r in requests)]
            if answers:
                self.clients.send(session_id, answers, own=True)

    # To the kernel.

    def to_kernel(self, session_id: str, request: Request) -> bool:
        """Carry a client's request to the kernel, or answer it in the kernel's place. Call
        :func:`~w2z.bridge.admission.check` before.

        Returns ``False`` when the request is refused: hand it in again when
        :meth:`~w2z.bridge.client.Client.retry` is called.
        """
        link, message = self.kernel.link, request.message
        if message.channel is Channel.HB:
            self._beat(session_id, request)
            return True
        if not self.kernel.life.takes_requests:
            return False
        forward = self._hub.to_kernel(session_id, request)
        if isinstance(forward, Repeat):
            self._answer_repeat(session_id, request, forward)
            return True
        if asks_what_the_kernel_is(request):
            taken = self._introduction.take(session_id, request)
            if taken is not None:
                return taken
        if may_ask(request) and not link.channels.can_be_asked(session_id):
            return False
        parts = zmq_wire.to_parts(message, link.signer)
        if not link.channels.send(session_id, message.channel, parts):
            return False
        forward.done()
        traffic = self.counts.to_kernel[message.channel]
        traffic.messages += 1
        traffic.size += sum(map(len, parts))
        if self.audit is not None:
            self.audit.request(digest(session_id), request)
        if request.msg_type == "shutdown_request":
            self.kernel.on_shutdown_request(restart=asks_to_restart(message.content))
        return True

    def _beat(self, session_id: str, request: Request) -> None:
        payload = request.payload or b"".join(V1.encode(request.message).chunks)
        self.kernel.link.channels.send_heartbeat(session_id, payload)

    def _answer_repeat(self, session_id: str, request: Request, repeat: Repeat) -> None:
        answer = repeat.answer
        if repeat.is_gone:
            answer = self._own.repeated(request, self.kernel.info_content)
        if answer:
            self.clients.send(session_id, answer, own=True)

    # To the clients (:class:`~w2z.kernel.link.LinkListener`).

    def from_kernel(
        self, session_id: str | None, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        """Carry a batch from the kernel to one session, or to all (``None``).

        Messages that cannot be read are counted and dropped. The replies to w2z's own requests go
        to the kernel's conversation.
        """
        signer = self.kernel.link.signer
        messages = []
        for parts in batch:
            try:
                messages.append(zmq_wire.from_parts(channel, parts, signer))
            except KernelMessageError as error:
                self.reports.drop(channel, error)
                messages += self._in_place_of(channel, parts, error)
        if not messages:
            return
        if channel is Channel.IOPUB:
            self.kernel.observe(messages)
            self._introduction.observed()
        if session_id == self.kernel.link.conversation.session_id:
            self.kernel.on_replies(messages)
        else:
            before = self._hub.carried
            self.clients.send(session_id, messages, then=self._then(channel, messages[-1]))
            traffic = self.counts.to_clients[channel]
            traffic.messages += len(messages)
            if carried := self._hub.carried - before:
                traffic.size += carried - ITEM_COST * len(messages)

    def _then(self, channel: Channel, last: Message) -> Then:
        """Return what comes next, as far as one can see: a kernel that is idle, and said so or
        replied, has no more to say to what was asked.
        """
        is_told = channel is not Channel.IOPUB or b'"status"' in last.header
        return Then.NOTHING if is_told and not self.kernel.is_busy else Then.ANY

    def writable(self, session_id: str) -> None:
        """The session's socket takes messages again: its clients retry what was refused."""
        self.clients.retry(session_id)

    def echo(self, session_id: str, payload: bytes) -> None:
        """The kernel's heartbeat answered: hand the echo to the kernel's life or to the session."""
        if session_id == self.kernel.link.conversation.session_id:
            self.kernel.on_echo()
            return
        try:
            message = V1.decode(payload, text=False).message
        except ClientError as error:
            # Not what was sent. The client stays connected: nothing signs an echo, so nothing
            # proves whose it is.
            self.reports.drop(Channel.HB, KernelMessageError(str(error)))
            return
        self.clients.send(session_id, [message])

    def reached(self) -> None:
        """The iopub socket is connected: pass that on to the kernel's life."""
        self.kernel.on_reached()

    def refused(self, size: int) -> None:
        """Iopub's connection ended because of a message of more than ``size`` bytes: count it, and
        send every client a gap notice.
        """
        self.reports.drop(Channel.IOPUB, KernelMessageTooLarge(1, size))
        self.clients.send(None, [self._too_large(size)])

    def overran(self) -> None:
        """Output that waited in libzmq was dropped: count that, and send every client a gap
        notice.
        """
        self.overruns += 1
        self.reports.overrun()
        self.clients.send(None, [self._gap(0, 0, "memory had no room for what the kernel sent")])

    def shell_reached(self, *, is_up: bool) -> None:
        """Called when w2z's own shell socket is connected, and when that connection ended."""
        self.kernel.on_shell_reached(is_up=is_up)

    def hung_up(self) -> None:
        """The connection of the iopub socket ended: pass that on to the kernel's life."""
        self.kernel.on_hung_up()

    def heart_stopped(self) -> None:
        """The connection of the heartbeat socket ended: pass that on to the kernel's life."""
        self.kernel.on_heart_stopped()

    def may_go(self, parts: list[bytes], signer: Signer) -> bool:
        """Whether clients can do without this iopub message.

        Raises :class:`~w2z.errors.KernelMessageError` if the message cannot be read.
        """
        return is_droppable(zmq_wire.from_parts(Channel.IOPUB, parts, signer))

    def missing(self, messages: int, size: int) -> None:
        """Output was dropped before it was carried: send every client a gap notice."""
        self.outpaced += messages
        gap = Gap(messages, size, b"{}", "the kernel sent them faster than w2z could carry them")
        self.clients.send(None, [gap.notice(self._own.header("stream"))])

    def _in_place_of(
        self, channel: Channel, parts: Sequence[bytes], error: KernelMessageError
    ) -> list[Message]:
        """Return what clients get of parts that could not be read.

        That is the good message that was received glued to a bad one before it, if there is one.
        In the place of output that was too large to be kept it is a gap notice, for the cell that
        is running.
        """
        if not isinstance(error, KernelMessageTooLarge):
            rescued = zmq_wire.rescue(channel, parts, self.kernel.link.signer)
            return [] if rescued is None else [rescued]
        if channel is not Channel.IOPUB:
            return []
        return [self._too_large(error.size)]

    def read_by_another(self, session_id: str) -> None:
        """The session's client took the place of one that was still there, and had read output
        without sending anything since: tell the client that it may not have that output.
        """
        header, parent = self._own.header("stream"), self.kernel.state.running
        told = stream("stderr", header, parent, READ_BY_ANOTHER)
        self.clients.send(session_id, [told], own=True)

    def _too_large(self, size: int) -> Message:
        return self._gap(1, size, "the kernel sent more at once than w2z carries")

    def _gap(self, messages: int, size: int, reason: str) -> Message:
        """Return a gap notice for the cell that is running."""
        gap = Gap(messages, size, self.kernel.state.running, reason)
        return gap.notice(self._own.header("stream"))

    # What clients learn of the kernel (:class:`~w2z.kernel.listener.KernelListener`).

    def opened(self) -> None:
        """Requests may go to the kernel again: clients retry what was refused."""
        self.counts.opened()
        for client in self.clients:
            client.retry()

    def lost(self, reason: str) -> None:
        """The kernel is gone: answer its pending requests in its place."""
        self.counts.lost()
        self._answer(self._hub.kernel_is_gone(), reason)

    def cut(self) -> None:
        """The sockets are gone: answer the pending requests, whose replies can no longer arrive."""
        self._answer(self._hub.connection_is_gone(), "the connection to the kernel ended")

    def announce(self, state: str, reason: str | None) -> None:
        """Tell every client an execution state that the kernel cannot tell itself, and why.

        A newcomer gets the same status, until there is a later one.
        """
        status = self.kernel.state.last_status = self._own.status(state, reason)
        messages = [status]
        if reason is not None:
            messages.insert(0, self._own.stream("stderr", f"w2z: {reason}\n"))
        # At "restarting" JupyterLab reconnects before it acknowledges the message. Sent again, the
        # message would make it reconnect again.
        self.clients.send(None, messages, own=True, once=state in ("restarting", "dead"))

    def ended(self, busy: Sequence[Message]) -> None:
        """For each of these ``busy`` statuses, send every client the ``idle`` that never came."""
        idle = [self._own.status("idle", parent_header=one.parent_header) for one in busy]
        if idle:
            self.clients.send(None, idle, own=True)
            if not self.kernel.is_busy:
                self.kernel.state.last_status = idle[-1]

    # The link.

    def _open_link(self, info: ConnectionInfo, generation: int) -> Link:
        link = Link(
            info,
            self,
            generation=generation,
            name=self.kernel_id,
            sessions=self.clients.speakers(),
            max_sessions=self._settings.max_connections,
            max_size=self._settings.max_kernel_message_size,
            store=self._backlog_store,
            room=self._room,
            reports=self.reports,
        )
        self.clients.use(link.channels)
        return link

    def _header_session(self) -> str:
        return self.kernel.life.session or self.kernel_id

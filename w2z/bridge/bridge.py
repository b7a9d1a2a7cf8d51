"""The only joint between the kernel's side and the websockets' side.

It carries messages both ways and decides nothing: formats are :mod:`w2z.wire`'s, who gets what is
:mod:`w2z.delivery`'s, readiness is :mod:`w2z.kernel.readiness`'s. To the kernel it is
:meth:`Bridge.to_kernel`, to the clients ``_from_kernel``. Everything runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from types import TracebackType
from typing import Self

from w2z.bridge.fanout import Client, Clients
from w2z.bridge.own_messages import OwnMessages
from w2z.delivery.hub import Hub
from w2z.delivery.journal import Journal
from w2z.delivery.overflow import Gap, is_droppable
from w2z.delivery.repeats import Repeat
from w2z.errors import ClientError, KernelMessageError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.keeping.keeper import Listener
from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.channels import Channels
from w2z.kernel.state import KernelState
from w2z.message import Channel, Message, Request
from w2z.reports import Reports
from w2z.settings import Settings
from w2z.store.files import Budget, SpillFiles
from w2z.store.store import Store
from w2z.wire import zmq as zmq_wire
from w2z.wire.json import parse_object
from w2z.wire.subprotocol import V1

BUSY_FOR = 0.2
"""Seconds a kernel has been busy before w2z answers in its place: most are idle again sooner."""


class Bridge:
    """One kernel and its clients. An async context manager: entered, it is connected."""

    def __init__(self, settings: Settings, info: ConnectionInfo, kernel_id: str) -> None:
        self.kernel_id = kernel_id
        self.started = datetime.now(UTC)
        self.state = KernelState(self.started, kernel_id)
        self.reports = Reports()
        self.outpaced = 0
        self.listener: Listener | None = None
        self._settings = settings
        self._info = info
        self._signer = info.signer()
        self._own = OwnMessages(kernel_id)
        budget = Budget(settings.spill_size)
        self._spills = [SpillFiles(budget, settings.spill_dir) for _ in range(2)]
        stores: list[Store | None] = [*self._spills] if budget.limit else [None, None]
        self._backlog = Backlog(stores[1], self._may_go, self._on_missing, self.reports.spill)
        journal = Journal(stores[0], settings.replay_size, self.reports.spill)
        self._hub: Hub[Client] = Hub(
            settings.journal_size, lambda: self._own.header("stream"), journal
        )
        self.clients = Clients(settings, self._hub, self.reports)
        self._stack = contextlib.AsyncExitStack()
        self._gate_is_open = False
        self._is_held = False
        self._was_cut = False

    async def __aenter__(self) -> Self:
        self._open_channels()
        for spill in self._spills:
            self._stack.callback(spill.close)
        self._stack.callback(self._close_channels)
        self.conversation = Conversation(
            self._channels, self._signer, self.kernel_id, self._open_gate
        )
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        for work in (self.conversation.run(), self.clients.sweep()):
            self._stack.callback(tasks.create_task(work).cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, traceback)

    # The kernel as a whole.

    @property
    def ready(self) -> bool:
        """Whether the kernel answered and its output arrives, and it is not on its way out."""
        return self.conversation.readiness.is_ready and not self._is_held

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

    @property
    def waiting(self) -> int:
        """Bytes in memory of what the kernel sent faster than w2z could work."""
        return self._backlog.memory

    def connect(self, info: ConnectionInfo) -> None:
        """Leave the sockets there were, with all that was under way to the kernel, and serve the
        one at ``info``; every session gets sockets there.
        """
        self._channels.close(0)
        self._answer(self._hub.connection_is_gone(), "the connection to the kernel ended")
        self._was_cut = True
        self._info = info
        self._signer = info.signer()
        self._open_channels()
        self._is_held = False
        self.conversation.begin(self._channels, self._signer)

    def hold(self) -> None:
        """Keep clients' requests back until :meth:`connect`: they are for the next kernel."""
        self._is_held = True
        self._gate_is_open = False
        self.conversation.be_quiet()

    def kernel_is_gone(self, reason: str) -> None:
        """Answer what the kernel has not answered before its end; ``reason`` says what that was."""
        self._answer(self._hub.kernel_is_gone(), reason)

    def mark(self, state: str) -> None:
        """Let the kernel model say this until requests are taken again; clients hear the kernel's
        own states.
        """
        self.state.mark(state)

    def announce(self, state: str, reason: str | None = None) -> None:
        """Tell every client an execution state that the kernel cannot tell itself, and why."""
        self.state.begin_anew(state)
        self.state.last_status = self._own.status(state, reason)
        messages = [self.state.last_status]
        if reason is not None:
            messages.insert(0, self._own.stream("stderr", f"w2z: {reason}\n"))
        # JupyterLab connects anew when it hears that the kernel restarts, unacknowledged.
        self.clients.send(None, messages, own=True, once=state != "idle")

    async def last_words(self) -> None:
        """Carry what a kernel that has ended still said."""
        await self._channels.last_words()

    def printed(self, name: str, text: str) -> None:
        """Carry what the kernel's process printed outside of any cell."""
        if not self.is_busy:
            self.clients.send(None, [self._own.stream(name, text)])

    def _answer(self, lost: Mapping[str, Sequence[Request]], reason: str) -> None:
        """Answer these requests of each session in the kernel's place; ``reason`` is a clause."""
        info = self.conversation.kernel_info_content
        for session_id, requests in lost.items():
            answers = [*chain.from_iterable(self._own.lost(r, reason, info) for r in requests)]
            if answers:
                self.clients.send(session_id, answers, own=True)

    def _open_channels(self) -> None:
        self._channels = Channels(
            self._info,
            max_sessions=self._settings.max_connections,
            signed=self._signer.signs,
            receive=self._from_kernel,
            writable=self.clients.resume,
            echo=self._from_heartbeat,
            lost=self._on_lost,
            backlog=self._backlog,
        )
        self.clients.use(self._channels)

    def _close_channels(self) -> None:
        self._channels.close()

    def _on_lost(self) -> None:
        if self.listener is not None:
            self.listener.on_lost()

    # The path of a message.

    def to_kernel(self, session_id: str, request: Request) -> bool:
        """Carry a client's message to the kernel.

        ``False``: not now, the kernel takes no more of this session; hand it in again after
        :meth:`~w2z.bridge.fanout.Client.resume`. Raises :class:`~w2z.errors.NotAllowed` for what
        may not be sent.
        """
        message = request.message
        if message.channel is Channel.HB:
            payload = request.payload or b"".join(V1.encode(message).chunks)
            self._channels.send_heartbeat(session_id, payload)
            return True
        # What no client may send is refused at once, all else waits for a kernel.
        if not self._gate_is_open and message.channel is not Channel.IOPUB:
            return False
        forward = self._hub.to_kernel(session_id, request)
        if isinstance(forward, Repeat):
            self._answer_repeat(session_id, request, forward)
            return True
        if self._is_answered_here(session_id, request):
            return True
        parts = zmq_wire.to_parts(message, self._signer)
        if not self._channels.send(session_id, message.channel, parts):
            return False
        forward.done()
        if request.msg_type == "shutdown_request" and self.listener is not None:
            content = parse_object(message.content, "content")
            self.listener.on_shutdown_request(restart=bool(content.get("restart")))
        return True

    def _answer_repeat(self, session_id: str, request: Request, repeat: Repeat) -> None:
        answer = repeat.answer
        if repeat.is_gone:
            answer = self._own.repeated(request, self.conversation.kernel_info_content)
        if answer:
            self.clients.send(session_id, answer, own=True)

    def _is_answered_here(self, session_id: str, request: Request) -> bool:
        """Tell a client what the kernel is while the kernel itself is too busy to."""
        content = self.conversation.kernel_info_content
        if (
            request.msg_type != "kernel_info_request"
            or request.message.channel is not Channel.SHELL
            or content is None
            or not self.state.is_busy_for(BUSY_FOR, datetime.now(UTC))
        ):
            return False
        answer = [self._own.kernel_info_reply(request.message, content)]
        self.clients.send(session_id, answer, own=True)
        return True

    def _from_kernel(
        self, session_id: str | None, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        messages = []
        for parts in batch:
            try:
                messages.append(zmq_wire.from_parts(channel, parts, self._signer))
            except KernelMessageError as error:
                self.reports.drop(channel, error)
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
            self.clients.send(session_id, messages)

    def _rescue(self, channel: Channel, parts: Sequence[bytes]) -> list[Message]:
        """The good message that a bad one before it was received together with."""
        while parts := zmq_wire.rest_of(parts):
            with contextlib.suppress(KernelMessageError):
                return [zmq_wire.from_parts(channel, parts, self._signer)]
        return []

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
        self.clients.send(None, [gap.notice(self._own.header("stream"))])

    def _from_heartbeat(self, session_id: str, payload: bytes) -> None:
        if session_id == self.conversation.session_id:
            if self.listener is not None:
                self.listener.on_echo()
            return
        try:
            message = V1.decode(payload, text=False).message
        except ClientError as error:
            # Not what was sent: the echo is not signed, and whose it was is not known to be true.
            self.reports.drop(Channel.HB, KernelMessageError(str(error)))
            return
        self.clients.send(session_id, [message])

    def _open_gate(self) -> None:
        """Take up clients' requests as soon as their output would be seen."""
        was_open = self._gate_is_open
        self._gate_is_open = not self._is_held and self.conversation.readiness.accepts_requests
        if not self._gate_is_open or was_open:
            return
        if self._was_cut and self.conversation.is_another_kernel:
            self._hub.kernel_is_gone()
        self._was_cut = False
        self.state.unmark()
        if self.listener is not None:
            self.listener.on_open()
        for client in self.clients:
            client.resume()

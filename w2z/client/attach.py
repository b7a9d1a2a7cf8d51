"""A remote kernel as a local one: joins the local sockets and the connection to w2z.

::

    local clients ──▶ Endpoints ─▶ requested ─▶ Connection.send ──▶ w2z
    local clients ◀── Endpoints ◀─ received ◀─ Connection.run   ◀── w2z

Messages pass unchanged, but for their signature; comms, subshells and the debugger with them.
:class:`~w2z.client.policy.Policy` says which requests do not pass, and what ends attach.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from w2z.client.connection import Connection, Opening
from w2z.client.local import Endpoints
from w2z.client.options import Options, State
from w2z.client.own import answer, failure, own_message
from w2z.client.policy import Do, Policy, Step
from w2z.client.remote import Remote
from w2z.client.rest import Rest
from w2z.client.routes import Routes
from w2z.errors import ExitCode, MalformedPayload, RemoteError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel, Message, Request, size_of
from w2z.wire.heads import HeadReader
from w2z.wire.json import parse_small_object
from w2z.wire.outline import asks_to_restart, check_object, read_head

log = logging.getLogger("w2z")

FIRST_PATIENCE = 10.0
"""Seconds until the first connection: a frontend's user waits, and the URL may be wrong."""

REPLY_WITHIN = 2.0
"""Seconds that the kernel has for its answer to a ``shutdown_request``. jupyter_client sends
SIGTERM 2.5 seconds after its request.
"""

LOST_ANSWERS_WITHIN = 0.2
"""Seconds between the news of a kernel's end and the end of attach. w2z's answers to the requests
that were lost with the kernel come right behind the news.
"""

MOST_UNSENT = 64 * 2**20
MOST_MESSAGES = 10_000
"""Bytes and number of local clients' messages that wait for w2z; one larger message waits alone."""

NOT_SENT = "there is no connection to w2z, and too much waits for it: this was not sent"

CLOSED_WITHIN = 1.0
"""Seconds that w2z has to answer the close frame."""


class Attach:
    """One remote kernel as five local sockets. Call :meth:`run` once.

    ``info`` says where to listen; without it that is chosen. ``bound`` is called with where it is,
    when the sockets are there; ``changed`` when :attr:`state` has changed.
    """

    def __init__(
        self,
        remote: Remote,
        options: Options,
        info: ConnectionInfo | None = None,
        *,
        bound: Callable[[ConnectionInfo], None] = lambda info: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = State()
        self._options = options
        self._info = info
        self._bound = bound
        self._changed = changed
        self._policy = Policy(
            one_kernel=options.one_kernel,
            on_start=options.on_start,
            on_shutdown=options.on_shutdown,
            is_fresh=options.is_fresh,
            is_terminal=options.is_terminal,
        )
        self._rest = Rest(remote)
        first = min(FIRST_PATIENCE, options.patience)
        self._connection = Connection(remote, self, patience=options.patience, first_patience=first)
        self._routes = Routes()
        self._heads = HeadReader()
        self._unsent: deque[Message] = deque()
        self._unsent_bytes = 0
        self._is_held = options.on_start == "restart"
        """Whether requests wait for the restart with which attach begins."""
        self._last_request = ""
        """The ``msg_id`` of the ``shutdown_request`` that ends attach."""
        self._has_last_reply = False
        self._follows = False
        """Whether it is not the reply that ends attach, but the kernel's end."""
        self._exit_code: int = ExitCode.OK
        self._failure: RemoteError | None = None
        self._is_ending = False
        """Whether the kernel is gone, and attach with it in a moment."""
        self._over = asyncio.Event()
        self._endpoints: Endpoints
        self._tasks: asyncio.TaskGroup
        self._work: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Attach until something ends it. Returns the exit code.

        Raises :class:`~w2z.errors.RemoteError` when there is no connection and none will be, and
        :class:`~w2z.errors.ListenError` if a local address is taken.
        """
        options = self._options
        endpoints = Endpoints(self, self._info, transport=options.transport, kernel_name="w2z")
        async with endpoints, asyncio.TaskGroup() as self._tasks:
            self._endpoints = endpoints
            self._bound(endpoints.info)
            connecting = self._tasks.create_task(self._connect())
            await self._over.wait()
            self._connection.close()
            await asyncio.wait([connecting], timeout=CLOSED_WITHIN)
            for task in (connecting, *self._work):
                task.cancel()
        if self._failure is not None:
            raise self._failure
        return self._exit_code

    def leave(self, exit_code: int = ExitCode.OK) -> None:
        """End now; the kernel stays as it is. Only the first end counts."""
        if not self._over.is_set():
            self._exit_code = exit_code
            self._over.set()

    def on_signal(self, number: int) -> None:
        """Do what a signal means."""
        now = asyncio.get_running_loop().time()
        step = self._policy.on_signal(number, now, is_connected=self.state.is_connected)
        self._take(step, None, b"")

    async def interrupt(self) -> None:
        """Interrupt the kernel. Raises :class:`~w2z.errors.RemoteError` if it was not."""
        await self._rest.interrupt()

    # What local clients do (LocalListener).

    def requested(self, channel: Channel, identity: bytes, message: Message) -> None:
        """Pass a client's message on, unless it is one that attach answers itself."""
        if self._over.is_set() or self._is_ending:
            return
        try:
            request = _checked(message)
        except (ValueError, MalformedPayload) as error:
            # w2z would end the connection for it, and with it everybody's.
            log.warning("a local client's message on %s is dropped: %s", channel, error)
            return
        step = Step(Do.PASS_ON)
        if channel is Channel.CONTROL:
            restart = request.msg_type == "shutdown_request" and asks_to_restart(message.content)
            step = self._policy.on_control(request.msg_type, restart=restart)
        self._routes.add(channel, request.msg_id, identity)
        self._take(step, request, identity)

    def beats(self) -> bool:
        """Answer heartbeats also while the connection is lost: the kernel is no worse for it."""
        return not (self._policy.is_dead or self._over.is_set())

    def crowded(self, is_full: bool) -> None:
        """Let w2z keep what local clients do not take."""
        if is_full:
            self._connection.stop_reading()
        else:
            self._connection.go_on_reading()

    # What happens at w2z (Listener).

    def opened(self, opening: Opening) -> None:
        """There is a connection."""
        is_first = not self.state.was_connected
        if not is_first and opening.is_new:
            log.warning("w2z was started again: what was under way there is lost")
        self.state.is_connected = self.state.was_connected = True
        self._changed()
        if is_first and self._is_held:
            self._begin(self._restart())

    def cut(self, reason: str) -> None:
        """There is none, and it is tried again."""
        self.state.is_connected, self.state.trouble = False, reason
        self._changed()

    def writable(self) -> None:
        """Send what waits."""
        while self._unsent and not self._is_held:
            if not self._connection.send(self._unsent[0]):
                return
            self._unsent_bytes -= size_of([self._unsent.popleft()])

    def received(self, messages: Sequence[Message]) -> None:
        """Hand messages out: output to all, everything else to who asked."""
        for message in messages:
            head = self._heads.read(message)
            if message.channel is Channel.IOPUB:
                is_status = head.msg_type == "status"
                if not is_status or self._hear(message, has_parent=bool(head.parent_id)):
                    self._endpoints.publish(head.msg_type, message)
                continue
            self._policy.has_answered = True
            identity = self._routes.find(message.channel, head.parent_id)
            if identity:
                self._endpoints.reply(identity, message)
            if self._last_request and head.parent_id == self._last_request:
                self._has_last_reply = True
                if not self._follows:
                    self.leave(self._exit_code)

    def _hear(self, status: Message, *, has_parent: bool) -> bool:
        """Take note of a state, and do what it means. Returns whether local clients hear of it."""
        try:
            content = parse_small_object(status.content, "content")
        except ValueError:
            return True
        state = str(content.get("execution_state", ""))
        if state != self.state.kernel:
            self.state.kernel = state
            self._changed()
        if has_parent:
            return True
        was_asked_for = self._policy.is_leaving
        step = self._policy.on_status(state, str(content.get("reason", "")))
        if step.do is Do.LEAVE:
            self._is_ending = True
            pause = 0 if was_asked_for else LOST_ANSWERS_WITHIN
            asyncio.get_running_loop().call_later(pause, self.leave, step.exit_code)
        return self._policy.is_for_clients(state)

    def _take(self, step: Step, request: Request | None, identity: bytes) -> None:
        """Do what was decided about a request, or about a signal."""
        match step.do:
            case Do.PASS_ON if request is not None and self._is_crowded(request.message):
                log.warning("w2z takes nothing: a request of a local client is refused")
                self._answer(identity, failure(request, "NotSent", NOT_SENT))
            case Do.PASS_ON if request is not None:
                self._send(request.message)
            case Do.PASS_ON_AND_LEAVE | Do.PASS_ON_AND_FOLLOW if request is not None:
                self._follows = step.do is Do.PASS_ON_AND_FOLLOW
                self._leave_with(request.msg_id, step.exit_code)
                self._send(request.message)
            case Do.ANSWER_AND_LEAVE if request is not None:
                restart = asks_to_restart(request.message.content)
                self._answer(identity, answer(request, {"status": "ok", "restart": restart}))
                self.leave(step.exit_code)
            case Do.STOP_AND_LEAVE:
                own = own_message(Channel.CONTROL, "shutdown_request", {"restart": False})
                self._leave_with(read_head(own.header)[2], step.exit_code)
                self._send(own)
            case Do.INTERRUPT:
                self._begin(self._interrupt(request, identity, step.pause))
            case Do.LEAVE:
                self.leave(step.exit_code)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _is_crowded(self, message: Message) -> bool:
        """Whether too much waits for w2z to let this message wait, too."""
        waits = self._unsent_bytes + size_of([message]) > MOST_UNSENT
        return bool(self._unsent) and (waits or len(self._unsent) >= MOST_MESSAGES)

    def _send(self, message: Message) -> None:
        self._unsent.append(message)
        self._unsent_bytes += size_of([message])
        self.writable()

    def _leave_with(self, msg_id: str, exit_code: int) -> None:
        """End with what a request leads to, or when it takes too long."""
        self._last_request, self._exit_code = msg_id, exit_code

        def give_up() -> None:
            if not (self._over.is_set() or self._has_last_reply):
                log.warning("the kernel did not answer that it ends; it may still run")
            self.leave(exit_code)

        asyncio.get_running_loop().call_later(REPLY_WITHIN, give_up)

    def _answer(self, identity: bytes, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.channel is Channel.IOPUB:
                self._endpoints.publish("status", message)
            else:
                self._endpoints.reply(identity, message)

    async def _connect(self) -> None:
        try:
            await self._connection.run()
        except RemoteError as error:
            self._fail(error)
        self.leave()

    def _fail(self, error: RemoteError) -> None:
        if not self._over.is_set():
            self._failure = error
            self._over.set()

    async def _restart(self) -> None:
        """Restart the kernel, then let the requests go that waited for it."""
        try:
            await self._rest.restart()
        except RemoteError as error:
            self._fail(error)
        self._is_held = False
        self.writable()

    async def _interrupt(self, request: Request | None, identity: bytes, pause: float) -> None:
        """Interrupt the kernel, and tell who asked for it whether it was."""
        await asyncio.sleep(pause)  # the end of attach cancels it
        try:
            await self.interrupt()
        except RemoteError as error:
            log.warning("the kernel was not interrupted: %s", error)
            messages = request and failure(request, "NotInterrupted", str(error))
        else:
            messages = request and answer(request, {"status": "ok"})
        if messages and not self._over.is_set():
            self._answer(identity, messages)


def _checked(message: Message) -> Request:
    """Return a local client's message as a request.

    Raises :class:`ValueError` or :class:`~w2z.errors.MalformedPayload` if w2z would not take it.
    """
    header, msg_type, msg_id = read_head(message.header)
    for what in ("parent_header", "metadata", "content"):
        check_object(getattr(message, what), what)
    return Request(message._replace(header=header), msg_type, msg_id)

"""The kernel that clients use: its life, its execution state, and the link to it.

What happens on the link becomes an event in the kernel's life (:mod:`w2z.kernel.life`). This module
does the actions that the life returns. It leaves those that need the kernel's process or take time
to the keeper (:mod:`w2z.kernel.keeping`), which waits for them with :meth:`Kernel.next_task`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from w2z.errors import KernelSilent
from w2z.kernel.actions import (
    Action,
    Announce,
    Ask,
    Beat,
    Leave,
    Lose,
    Open,
    Probe,
    Relink,
    Settle,
    Suppose,
    Warn,
)
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Goodbye
from w2z.kernel.life import Life
from w2z.kernel.link import Link
from w2z.kernel.listener import KernelListener
from w2z.kernel.sockets.channels import LINGER_MS
from w2z.kernel.sockets.identity import hands_over
from w2z.kernel.state import KernelState
from w2z.message import Channel, Message
from w2z.timing import Timing

log = logging.getLogger("w2z")

Clock = Callable[[], float]


class Kernel:
    """The kernel of one w2z; it stays the same object when another kernel takes the place.

    ``name`` is the header session of w2z's own requests. ``open_link`` connects to a kernel; its
    number is the generation of the sockets' identities.
    """

    link: Link

    def __init__(
        self,
        info: ConnectionInfo,
        name: str,
        listener: KernelListener,
        open_link: Callable[[ConnectionInfo, int], Link],
        *,
        is_owned: bool,
        timing: Timing,
        clock: Clock = time.monotonic,
    ) -> None:
        self.timing = timing
        self.state = KernelState(datetime.now(UTC), name)
        self.life = Life(clock(), timing, is_owned=is_owned, own_session=name)
        self.info: dict[str, Any] | None = None
        """The content of the kernel's last ``kernel_info_reply``; ``None`` before the first."""
        self.info_content: bytes | None = None
        self.is_told_to_end: bool | None = None
        """The ``restart`` field of a client's ``shutdown_request`` that the kernel got; ``None`` if
        it got none.
        """
        self._connection_info = info
        self._listener = listener
        self._open_link = open_link
        self._is_owned = is_owned
        self._clock = clock
        self._generation = 0
        self.observe: Callable[[Sequence[Message]], None] = self._observe_until_ready
        """Call it with all messages that arrive on iopub: it updates the execution state and, while
        the kernel is not ready, its life.
        """
        self._tasks: deque[Leave | Probe] = deque()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()

    def connect(self, info: ConnectionInfo | None = None) -> None:
        """Replace the link by one to the kernel at ``info``, by default at the same place. Messages
        under way are dropped; every session gets new sockets. ZMQ has to take the endpoints: see
        :func:`~w2z.kernel.sockets.options.check_endpoints`.
        """
        info = info or self._connection_info
        # Close the old link before the next one is opened: the two may have the same identities.
        self.close(linger_ms=0)
        if hasattr(self, "link") and not (self._is_owned or hands_over(self.implementation)):
            # A new generation of identities: no reply to the old sockets arrives any more, not even
            # from the same kernel.
            self._generation += 1
            self._listener.cut()
        if info != self._connection_info and not self._is_owned:
            # The last kernel_info_reply may be from a kernel of another kind: this one may die of a
            # signal that the one before took.
            self.info = self.info_content = None
        self.link = self._open_link(info, self._generation)
        self._connection_info = info

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Close the link, if there is one. Blocks up to ``linger_ms`` for messages that have not
        left yet, unless there is no kernel that would take them.
        """
        if hasattr(self, "link"):
            self.link.close(linger_ms if self.life.is_there else 0)

    def reconnect(self, info: ConnectionInfo | None = None) -> None:
        """:meth:`connect`, and tell the kernel's life that the sockets were replaced."""
        self.connect(info)
        self.do(self.life.on_connected(self._clock()))

    def keep_link(self) -> None:
        """Keep the link: only iopub's connection ended, and ZMQ connects again by itself."""
        self.do(self.life.on_link_kept(self._clock()))

    # What others may ask; nothing changes.

    @property
    def connection_info(self) -> ConnectionInfo:
        """The kernel's endpoints and key."""
        return self._connection_info

    @property
    def name(self) -> str:
        """The name of the kernel's spec: from its connection file, else derived from its
        implementation, else ``kernel``.
        """
        if self._connection_info.kernel_name:
            return self._connection_info.kernel_name
        name = str((self.info or {}).get("implementation") or "kernel").lower()
        # ipykernel installs its spec under this name.
        return "python3" if name == "ipython" else name

    @property
    def implementation(self) -> str:
        """The kernel's ``implementation`` in lower case; empty before it has told."""
        return str((self.info or {}).get("implementation") or "").lower()

    @property
    def is_ready(self) -> bool:
        """Whether the kernel has answered and its output arrives, and it is not about to end."""
        return self.life.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether the execution state is ``busy``. A mark hides that a kernel is busy."""
        return self.state.is_busy

    @property
    def answers_for_itself(self) -> bool:
        """Whether the kernel is expected to answer on shell soon: it has not yet been busy for
        ``timing.busy_for``.
        """
        return not self.state.is_busy_for(self.timing.busy_for, self._clock())

    async def wait_ready(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for the kernel to be ready. Returns whether it is."""
        return await self.wait_for(lambda: self.is_ready, seconds)

    async def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait up to ``seconds`` for a condition of the kernel's life or execution state. Returns
        whether it holds.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        return condition()

    # Events on the link.

    def _observe(self, messages: Sequence[Message]) -> None:
        before = self.state.execution_state
        self.state.observe(messages, datetime.now(UTC), self._clock())
        if self.state.execution_state != before:
            self._changed.set()

    def _observe_until_ready(self, messages: Sequence[Message]) -> None:
        self._observe(messages)
        self.do(self.life.on_iopub(self._clock()))

    def on_replies(self, messages: Sequence[Message]) -> None:
        """Take the messages that arrived on the conversation's sockets."""
        for reply in self.link.conversation.on_replies(messages):
            if isinstance(reply, Goodbye):
                self.do(self.life.on_goodbye(reply.kernel_session))
                continue
            if self.life.passes_over(reply.kernel_session):
                continue
            self.info, self.info_content = reply.content, reply.as_sent
            self.link.channels.hands_over = hands_over(self.implementation)
            if reply.channel is Channel.SHELL:
                self.link.channels.is_settled = True
            now = self._clock()
            self.do(self.life.on_info_reply(reply.channel, reply.kernel_session, now))

    def on_echo(self) -> None:
        """The kernel's heartbeat sent w2z an echo."""
        self.do(self.life.on_echo())

    def on_reached(self) -> None:
        """The iopub socket is connected."""
        self.do(self.life.on_reached(self._clock()))

    def on_shell_reached(self, *, is_up: bool) -> None:
        """Called when w2z's own shell socket is connected, and when that connection ended."""
        self.do(self.life.on_shell_reached(self._clock(), is_up=is_up))

    def on_hung_up(self) -> None:
        """Iopub's connection ended."""
        self.do(self.life.on_hung_up(self._clock()))

    def on_heart_stopped(self) -> None:
        """The heartbeat's connection ended."""
        self.do(self.life.on_heart_stopped())

    def on_shutdown_request(self, *, restart: bool) -> None:
        """A client sent the kernel a ``shutdown_request``: wake the keeper."""
        # Later requests are for the next kernel, if w2z is the one that starts it.
        if self._is_owned:
            self.do(self.life.ask_to_end(self._clock()))
        self.is_told_to_end = restart
        self._news.set()

    # For the keeper.

    def on_started(self) -> None:
        """w2z started a kernel's process, and the link leads to where it will listen."""
        self.is_told_to_end = None
        self.do(self.life.on_started(self._clock()))

    def do(self, actions: Iterable[Action]) -> None:
        """Do the actions in their order, and let :meth:`wait_for` check its conditions again."""
        for action in actions:
            self._do(action)
        self._watch_for_ready()
        self._changed.set()

    def _watch_for_ready(self) -> None:
        """Let iopub messages reach the kernel's life only while the kernel is not ready."""
        if not self.life.is_ready:
            self.observe = self._observe_until_ready
        elif self.observe != self._observe:
            self.observe = self._observe
            is_silent = self.life.is_silent(self._clock())
            log.info("the kernel is ready%s", ", though silent on iopub" if is_silent else "")

    def poll(self) -> None:
        """Do the actions that are due; call several times a second."""
        now = self._clock()
        self._settle(now)
        self.do(self.life.poll(now))
        if self.state.is_busy:
            self.do(self.life.doubt_busy(now, self.state.quiet_since))

    async def next_task(self, seconds: float) -> Leave | Probe | None:
        """Wait up to ``seconds`` for an action that is the keeper's to do, or for :meth:`wake`.

        Returns the action, if there is one.
        """
        if not self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        self._news.clear()
        return self._tasks.popleft() if self._tasks else None

    def wake(self) -> None:
        """Let the keeper's :meth:`next_task` return now."""
        self._news.set()

    def now(self) -> float:
        """Return the time on the clock that the kernel's life uses."""
        return self._clock()

    def mark(self, state: str) -> None:
        """Override ``execution_state`` in the REST model until requests may go to the kernel again.
        w2z sends nothing to clients; the kernel's own statuses still reach them.
        """
        self.state.mark(state)
        self._changed.set()

    def lose(self, reason: str) -> None:
        """Answer the pending requests in the kernel's place, because it is gone."""
        self.state.forget()
        self._listener.lost(reason)

    def announce(self, state: str, reason: str | None = None) -> None:
        """Announce an execution state to all clients, and the reason; nothing counts as running."""
        self.state.begin_anew(state)
        self._listener.announce(state, reason)
        self._changed.set()

    async def ask(self, msg_type: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request of w2z's own on control and return the reply's content.

        Raises :class:`~w2z.errors.KernelSilent` when no reply comes within ``seconds``.
        """
        return await self.link.conversation.ask(msg_type, content, seconds)

    async def ask_to_end(self, *, restart: bool) -> None:
        """Ask the kernel to end, and wait up to ``timing.end`` for its reply. Raises nothing when
        no reply comes.
        """
        with contextlib.suppress(KernelSilent):
            await self.ask("shutdown_request", {"restart": restart}, self.timing.end)

    def _do(self, action: Action) -> None:
        match action:
            case Ask(channel):
                self.link.conversation.tell("kernel_info_request", {}, channel)
            case Beat():
                self.link.conversation.beat()
            case Leave() | Probe():
                self._tasks.append(action)
                self._news.set()
            case Relink():
                self.reconnect()
            case _:
                self._tell(action)

    def _tell(self, action: Lose | Announce | Warn | Suppose | Settle | Open) -> None:
        """Do an action that clients notice."""
        match action:
            case Lose(reason):
                self.lose(reason)
            case Announce(state, reason):
                self.announce(state, reason)
            case Warn(text):
                self._warn(text)
            case Suppose():
                self.state.suppose_busy()
                self._listener.announce("busy", None)
            case Settle(asked_at):
                now = self._clock()
                self.state.answered(asked_at, now + self.timing.idle_late)
                self._settle(now)
            case Open():
                self.state.unmark()
                self._listener.opened()

    def _settle(self, now: float) -> None:
        """End what has ended without an ``idle``, if any is known to have."""
        asked_at = self.state.to_settle(now)
        if asked_at is None:
            return
        was_busy = self.state.is_busy
        lost = self.state.settle(asked_at)
        self._listener.ended(lost)
        # With something in ``lost``, the listener has already told clients ``idle``.
        if was_busy and not self.state.is_busy and not lost:
            self._listener.announce("idle", None)

    def _warn(self, text: str) -> None:
        endpoints = {str(channel): self._connection_info.endpoint(channel) for channel in Channel}
        warning = text.format(**endpoints)
        log.warning("%s", warning)
        self._listener.announce("starting", warning)

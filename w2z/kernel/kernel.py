"""The kernel that clients use: its life, its state, and the link to the one that is there now.

What happens on the link is an event in its life (:mod:`w2z.kernel.life`); what there is to do about
that is done here, but for what needs the kernel's process or takes time: that is left to its keeper
(:mod:`w2z.kernel.keeping`), who waits for it with :meth:`Kernel.next_task`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

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
from w2z.kernel.sockets.channels import LINGER_MS, check_endpoints, hands_over
from w2z.kernel.state import KernelState
from w2z.message import Channel, Message
from w2z.timing import Timing

log = logging.getLogger("w2z")

Clock = Callable[[], float]


class KernelListener(Protocol):
    """What hears of the kernel, on the clients' side."""

    def opened(self) -> None:
        """Requests that were refused may be handed in again."""

    def lost(self, reason: str) -> None:
        """The requests that were under way to the kernel are lost with it."""

    def cut(self) -> None:
        """The requests that were under way cannot be answered any more."""

    def announce(self, state: str, reason: str | None) -> None:
        """Tell all clients an execution state that the kernel cannot tell itself, and why."""

    def ended(self, busy: Sequence[Message]) -> None:
        """What these statuses began has ended, and its ``idle`` never arrived."""


class Kernel:
    """The kernel of one w2z, through all that are started in its place.

    ``name`` is the session in the headers of w2z's own requests. ``open_link`` connects to a
    kernel, with a number that tells apart the identities of its sockets.
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
        """What the kernel told of itself last."""
        self.info_content: bytes | None = None
        self.is_told_to_end: bool | None = None
        """A client's word to the kernel that it shall end, and whether another shall follow."""
        self._connection_info = info
        self._listener = listener
        self._open_link = open_link
        self._is_owned = is_owned
        self._clock = clock
        self._generation = 0
        self.observe: Callable[[Sequence[Message]], None] = self._observe_until_ready
        """Takes note of what the kernel said on iopub."""
        self._tasks: deque[Leave | Probe] = deque()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()

    def connect(self, info: ConnectionInfo | None = None) -> None:
        """Leave the sockets there were, with all that was under way to the kernel, and serve the
        one at ``info``, or at the same place; every session gets sockets there.

        Raises :class:`~w2z.errors.ConnectionFileError`; then nothing has changed.
        """
        info = info or self._connection_info
        check_endpoints(info)
        # Closed before the next one is opened: the two have the same identities.
        self.close(linger_ms=0)
        if hasattr(self, "link") and not (self._is_owned or hands_over(self.implementation)):
            # No answer finds its way to these sockets any more, from the same kernel either.
            self._generation += 1
            self._listener.cut()
        if info != self._connection_info:
            # What the one before told of itself says nothing about this one: a kernel of another
            # kind may die of a signal that the one before took.
            self.info = self.info_content = None
        self.link = self._open_link(info, self._generation)
        self._connection_info = info

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Close the sockets there are; what was sent last has ``linger_ms`` to leave."""
        if hasattr(self, "link"):
            self.link.close(linger_ms)

    def reconnect(self, info: ConnectionInfo | None = None) -> None:
        """:meth:`connect` to whoever is there next."""
        self.connect(info)
        self.do(self.life.on_connected(self._clock()))

    def keep_link(self) -> None:
        """Keep the sockets: only iopub's connection ended, and ZMQ makes it again."""
        self.do(self.life.on_link_kept(self._clock()))

    # What others want to know.

    @property
    def connection_info(self) -> ConnectionInfo:
        """Where the kernel is, and its key."""
        return self._connection_info

    @property
    def name(self) -> str:
        """The name of the kernel's spec, as far as its connection file or it itself tells."""
        if self._connection_info.kernel_name:
            return self._connection_info.kernel_name
        name = str((self.info or {}).get("implementation") or "kernel").lower()
        # The name under which ipykernel installs itself.
        return "python3" if name == "ipython" else name

    @property
    def implementation(self) -> str:
        """What kind of kernel it says it is, in small letters; empty before it did."""
        return str((self.info or {}).get("implementation") or "").lower()

    @property
    def is_ready(self) -> bool:
        """Whether the kernel answered and its output arrives, and it is not on its way out."""
        return self.life.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether the kernel is running something."""
        return self.state.is_busy

    @property
    def answers_for_itself(self) -> bool:
        """Whether the kernel is expected to answer on shell soon."""
        return not self.state.is_busy_for(self.timing.busy_for, self._clock())

    async def wait_ready(self, seconds: float) -> bool:
        """Wait so long for the kernel to be ready; returns whether it is."""
        return await self.wait_for(lambda: self.is_ready, seconds)

    async def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait so long for a condition of the kernel's life or state; returns whether it holds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        return condition()

    # What happens.

    def _observe(self, messages: Sequence[Message]) -> None:
        before = self.state.execution_state
        self.state.observe(messages, datetime.now(UTC), self._clock())
        if self.state.execution_state != before:
            self._changed.set()

    def _observe_until_ready(self, messages: Sequence[Message]) -> None:
        self._observe(messages)
        self.do(self.life.on_iopub(self._clock()))

    def on_replies(self, messages: Sequence[Message]) -> None:
        """Take the kernel's answers to w2z itself."""
        for reply in self.link.conversation.on_replies(messages):
            if isinstance(reply, Goodbye):
                self.do(self.life.on_goodbye(reply.kernel_session))
                continue
            if self.life.passes_over(reply.kernel_session):
                continue
            self.info, self.info_content = reply.content, reply.as_sent
            self.link.channels.hands_over = hands_over(self.implementation)
            now = self._clock()
            self.do(self.life.on_info_reply(reply.channel, reply.kernel_session, now))

    def on_echo(self) -> None:
        """The kernel's heartbeat answered w2z."""
        self.do(self.life.on_echo())

    def on_reached(self) -> None:
        """The iopub socket is connected."""
        self.do(self.life.on_reached(self._clock()))

    def on_hung_up(self) -> None:
        """The connection of the iopub socket ended."""
        self.do(self.life.on_hung_up(self._clock()))

    def on_heart_stopped(self) -> None:
        """The connection of the heartbeat ended."""
        self.do(self.life.on_heart_stopped())

    def on_shutdown_request(self, *, restart: bool) -> None:
        """A client told the kernel to end."""
        # What comes behind it is for the next kernel, if w2z is the one to start it.
        if self._is_owned:
            self.do(self.life.ask_to_end(self._clock()))
        self.is_told_to_end = restart
        self._news.set()

    # For the keeper.

    def on_started(self) -> None:
        """w2z started a process that will listen where the link leads."""
        self.is_told_to_end = None
        self.do(self.life.on_started(self._clock()))

    def do(self, actions: Iterable[Action]) -> None:
        """Do what there is to do, in its order."""
        for action in actions:
            self._do(action)
        self._watch_for_ready()
        self._changed.set()

    def _watch_for_ready(self) -> None:
        """That output arrives matters to the kernel's life only while it is not ready."""
        if not self.life.is_ready:
            self.observe = self._observe_until_ready
        elif self.observe != self._observe:
            self.observe = self._observe
            is_silent = self.life.is_silent(self._clock())
            log.info("the kernel is ready%s", ", though silent on iopub" if is_silent else "")

    def poll(self) -> None:
        """Do what is due; call it several times a second."""
        now = self._clock()
        self.do(self.life.poll(now))
        if self.state.is_busy:
            self.do(self.life.doubt_busy(now, self.state.quiet_since))

    async def next_task(self, seconds: float) -> Leave | Probe | None:
        """Wait for what is left to the keeper, or for news, for so long."""
        if not self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        self._news.clear()
        return self._tasks.popleft() if self._tasks else None

    def wake(self) -> None:
        """There is news for the keeper."""
        self._news.set()

    def now(self) -> float:
        """The time by the clock that the kernel's life goes by."""
        return self._clock()

    def mark(self, state: str) -> None:
        """Let the kernel model say this until requests go to the kernel again; clients hear the
        kernel's own states.
        """
        self.state.mark(state)
        self._changed.set()

    def lose(self, reason: str) -> None:
        """The kernel is gone: what it had not answered is answered in its place."""
        self.state.forget()
        self._listener.lost(reason)

    def announce(self, state: str, reason: str | None = None) -> None:
        """Tell all clients an execution state that the kernel cannot tell itself, and why."""
        self.state.begin_anew(state)
        self._listener.announce(state, reason)
        self._changed.set()

    async def ask(self, msg_type: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Ask the kernel on control; raises :class:`~w2z.errors.KernelSilent`."""
        return await self.link.conversation.ask(msg_type, content, seconds)

    async def ask_to_end(self, *, restart: bool) -> None:
        """Ask the kernel to end; one that says nothing has been asked, too."""
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
        """Do what clients notice."""
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
                self._settle(asked_at)
            case Open():
                self.state.unmark()
                self._listener.opened()

    def _settle(self, asked_at: float) -> None:
        was_busy = self.state.is_busy
        lost = self.state.settle(asked_at)
        self._listener.ended(lost)
        if was_busy and not self.state.is_busy and not lost:
            self._listener.announce("idle", None)

    def _warn(self, text: str) -> None:
        endpoints = {str(channel): self._connection_info.endpoint(channel) for channel in Channel}
        warning = text.format(**endpoints)
        log.warning("%s", warning)
        self._listener.announce("starting", warning)

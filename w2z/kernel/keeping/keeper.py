"""What the keepers of a kernel have in common: how it is interrupted, and whom they report to.

There are two: :class:`~w2z.kernel.keeping.attached.Attached` for a kernel that somebody else
starts, :class:`~w2z.kernel.keeping.launched.Launched` for one that w2z does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from w2z.errors import KernelError, KernelNotInterrupted, KernelSilent
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.keeping.interrupt import Plan, Way, plan

INTERRUPT_TIMEOUT = 5.0
"""Seconds a kernel has to answer an interrupt_request; it does so at once or never."""

STOPS_WITHIN = 2.0
"""Seconds in which a kernel nobody knows has to prove that it was interrupted."""

ENDS_WITHIN = 0.5
"""Seconds an interrupted kernel has before it is told to end."""

LOOK = 0.02
"""Seconds between looks whether a kernel is idle."""

RESTART_TIMEOUT = 60.0
"""Seconds another kernel has to be there: slow ones take half of it to start."""


class Listener(Protocol):
    """A keeper, as the bridge sees it: who is told what the sockets tell."""

    def on_open(self) -> None:
        """Clients' requests are about to go to the kernel; none has since it took its place."""

    def on_lost(self) -> None:
        """The connection to the kernel's iopub ended."""

    def on_echo(self) -> None:
        """The kernel's heartbeat answered w2z."""

    def on_shutdown_request(self, *, restart: bool) -> None:
        """A client asks the kernel to end."""


class Host(Protocol):
    """The bridge, as a keeper sees it."""

    conversation: Conversation
    listener: Listener | None

    @property
    def is_busy(self) -> bool:
        """Whether the kernel is running something."""

    def connect(self, info: ConnectionInfo) -> None:
        """Leave the sockets there were, and serve the kernel at ``info``."""

    def hold(self) -> None:
        """Keep clients' requests back until :meth:`connect`: they are for the next kernel."""

    def kernel_is_gone(self, reason: str) -> None:
        """Answer what the kernel has not answered before its end."""

    def mark(self, state: str) -> None:
        """Let the kernel model say this execution state; clients hear the kernel's own."""

    def announce(self, state: str, reason: str | None = None) -> None:
        """Tell every client an execution state that the kernel cannot tell itself."""

    async def last_words(self) -> None:
        """Carry what a kernel that has ended still said."""


class Keeper(ABC):
    """Looks after one kernel; ``interrupt_mode`` is the operator's word on how to interrupt it."""

    owned: bool
    """Whether w2z started the kernel."""

    def __init__(self, host: Host, interrupt_mode: str | None) -> None:
        self.host = host
        host.listener = self
        self.restarting = asyncio.Lock()
        self.interrupt_mode = interrupt_mode

    @abstractmethod
    def on_open(self) -> None:
        """Clients' requests are about to go to the kernel; none has since it took its place."""

    @abstractmethod
    def on_lost(self) -> None:
        """The connection to the kernel's iopub ended."""

    @abstractmethod
    def on_echo(self) -> None:
        """The kernel's heartbeat answered w2z."""

    @abstractmethod
    def on_shutdown_request(self, *, restart: bool) -> None:
        """A client asks the kernel to end."""

    @property
    @abstractmethod
    def is_silent(self) -> bool:
        """Whether the kernel does not answer heartbeats any more; busy ones may not."""

    @abstractmethod
    async def run(self) -> int:
        """Look after the kernel until it is gone for good; returns w2z's exit code then."""

    @abstractmethod
    async def restart(self) -> None:
        """Have another kernel in place of this one, clients staying connected.

        Raises :class:`~w2z.errors.KernelError` when none gets ready.
        """

    @abstractmethod
    async def end(self) -> None:
        """End the kernel, because somebody asked for that."""

    @abstractmethod
    async def stop(self) -> None:
        """w2z ends: leave the kernel as its users expect it to be left."""

    @abstractmethod
    async def spec_mode(self) -> str | None:
        """The interrupt_mode that the kernel's spec spells out, if it is known and does."""

    @abstractmethod
    def send_interrupt_signal(self) -> None:
        """Send SIGINT; raises :class:`~w2z.errors.KernelNotInterrupted` where that is not
        possible.
        """

    @abstractmethod
    def hurry(self) -> None:
        """Somebody is tired of waiting for :meth:`stop`."""

    @abstractmethod
    def forward(self, number: int) -> None:
        """Pass on a signal that is not w2z's own business."""

    async def interrupt(self) -> None:
        """Interrupt what the kernel is running.

        Returns only if it was, as far as can be known; raises
        :class:`~w2z.errors.KernelError` that says why not.
        """
        implementation = (self.host.conversation.kernel_info or {}).get("implementation")
        chosen = plan(self.interrupt_mode, await self.spec_mode(), implementation, owned=self.owned)
        if not chosen.ways:
            raise KernelNotInterrupted(
                f"{implementation} cannot be interrupted: it dies of SIGINT, and does nothing at"
                " an interrupt_request"
            )
        await self._try(chosen.ways)
        if not chosen.is_certain:
            await self._believe_it()

    async def stop_running(self) -> None:
        """Interrupt a busy kernel that is about to be told to end, and give it a moment.

        So its client gets a reply; and some kernels, ipykernel among them, do not end before what
        they run does.
        """
        if not self.host.is_busy:
            return
        for way in (await self._plan()).ways[:1]:
            if way is Way.MESSAGE:
                self.host.conversation.tell("interrupt_request", {})
            else:
                with contextlib.suppress(KernelNotInterrupted):
                    self.send_interrupt_signal()
        await self._is_idle_within(ENDS_WITHIN)

    @property
    def _implementation(self) -> object:
        return (self.host.conversation.kernel_info or {}).get("implementation")

    async def _plan(self) -> Plan:
        spec_mode = await self.spec_mode()
        return plan(self.interrupt_mode, spec_mode, self._implementation, owned=self.owned)

    async def _try(self, ways: Sequence[Way]) -> None:
        """Go the first of the ways that can be gone."""
        for way in ways[:-1]:
            with contextlib.suppress(KernelError):
                return await self._go(way)
        return await self._go(ways[-1])

    async def _go(self, way: Way) -> None:
        if way is Way.SIGNAL:
            self.send_interrupt_signal()
            return
        conversation = self.host.conversation
        reply = await conversation.ask("interrupt_request", {}, INTERRUPT_TIMEOUT)
        if reply.get("status", "ok") != "ok":
            raise KernelSilent(f"the kernel refused to be interrupted: {reply.get('evalue', '')}")

    async def _believe_it(self) -> None:
        if not await self._is_idle_within(STOPS_WITHIN):
            raise KernelSilent(
                "the kernel said that it was interrupted, and is still running; if it takes"
                " SIGINT, start w2z with --interrupt-mode signal"
            )

    async def _is_idle_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.host.is_busy:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK)
        return True

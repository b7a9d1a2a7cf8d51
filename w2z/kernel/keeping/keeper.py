"""What the keepers of a kernel have in common: what can be asked of them, and interrupting.

There are two: :class:`~w2z.kernel.keeping.attached.Attached` for a kernel that somebody else
starts, :class:`~w2z.kernel.keeping.launched.Launched` for one that w2z does.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from w2z.errors import KernelError, KernelNotInterrupted, KernelSilent
from w2z.kernel.keeping.interrupt import Plan, Way, plan
from w2z.kernel.kernel import Kernel

ENDS_WITHIN = 0.5
"""Seconds an interrupted kernel has before it is told to end."""


class Keeper(ABC):
    """Looks after one kernel; ``interrupt_mode`` is the operator's word on how to interrupt it.

    One that was interrupted to be ended has ``ends_within`` seconds to stop what it runs.
    """

    owned: bool
    """Whether w2z started the kernel."""

    def __init__(
        self, kernel: Kernel, interrupt_mode: str | None, ends_within: float = ENDS_WITHIN
    ) -> None:
        self.kernel = kernel
        self.restarting = asyncio.Lock()
        self.interrupt_mode = interrupt_mode
        self._ends_within = ends_within

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
    async def send_interrupt_signal(self) -> None:
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
        chosen = await self._plan()
        if not chosen.ways:
            name = (self.kernel.info or {}).get("implementation")
            raise KernelNotInterrupted(
                f"{name or self.kernel.name} cannot be interrupted: it dies of SIGINT, and does"
                " nothing at an interrupt_request"
            )
        await self._try(chosen.ways)
        seconds = self.kernel.timing.stops_within
        if not (chosen.is_certain or await self._is_idle_within(seconds)):
            raise KernelSilent(
                "the kernel said that it was interrupted, and is still running; if it takes"
                " SIGINT, start w2z with --interrupt-mode signal"
            )

    async def stop_running(self) -> None:
        """Interrupt a busy kernel that is about to be told to end, and give it a moment.

        So its client gets a reply; and some kernels, ipykernel among them, do not end before what
        they run does. Has to come before the kernel is marked as anything else than busy.
        """
        if not self.kernel.is_busy:
            return
        for way in (await self._plan()).ways[:1]:
            if way is Way.MESSAGE:
                self.kernel.link.conversation.tell("interrupt_request", {})
            else:
                with contextlib.suppress(KernelNotInterrupted):
                    await self.send_interrupt_signal()
        await self._is_idle_within(self._ends_within)

    async def _plan(self) -> Plan:
        # What the operator says counts: nothing is looked up then.
        spec_mode = None if self.interrupt_mode else await self.spec_mode()
        return plan(
            self.interrupt_mode,
            spec_mode,
            self.kernel.implementation,
            name=self.kernel.name,
            owned=self.owned,
        )

    async def _try(self, ways: Sequence[Way]) -> None:
        """Go the first of the ways that can be gone."""
        for way in ways[:-1]:
            with contextlib.suppress(KernelError):
                return await self._go(way)
        return await self._go(ways[-1])

    async def _go(self, way: Way) -> None:
        if way is Way.SIGNAL:
            await self.send_interrupt_signal()
            return
        reply = await self.kernel.ask("interrupt_request", {}, self.kernel.timing.interrupt)
        if reply.get("status", "ok") != "ok":
            raise KernelSilent(f"the kernel refused to be interrupted: {reply.get('evalue', '')}")

    async def _is_idle_within(self, seconds: float) -> bool:
        return await self.kernel.wait_for(lambda: not self.kernel.is_busy, seconds)

"""The base class of keepers: the calls that every keeper offers, and interrupting.

There are two keepers: :class:`~w2z.kernel.keeping.attached.Attached` for a kernel that somebody
else starts, and :class:`~w2z.kernel.keeping.launched.Launched` for a kernel that w2z starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from w2z.errors import KernelError, KernelNotInterrupted, KernelSilent
from w2z.kernel.keeping.interrupt import Plan, Way, plan
from w2z.kernel.kernel import Kernel


class Keeper(ABC):
    """The keeper of one kernel. ``interrupt_mode`` is the operator's choice, if any."""

    owned: bool
    """Whether w2z started the kernel."""

    def __init__(self, kernel: Kernel, interrupt_mode: str | None) -> None:
        self.kernel = kernel
        self.restarting = asyncio.Lock()
        self.interrupt_mode = interrupt_mode

    @abstractmethod
    async def run(self) -> int:
        """Look after the kernel until it is gone for good. Returns the exit code for w2z."""

    @abstractmethod
    async def restart(self) -> None:
        """Replace the kernel by another one; clients stay connected.

        Raises :class:`~w2z.errors.KernelError` when no other kernel gets ready.
        """

    @abstractmethod
    async def end(self) -> None:
        """End the kernel, because a client asked for that."""

    @abstractmethod
    async def stop(self) -> None:
        """Called when w2z ends: end the kernel if w2z started it, else leave it running."""

    @abstractmethod
    async def spec_mode(self) -> str | None:
        """Return the ``interrupt_mode`` in the kernel's spec; ``None`` if absent or unknown."""

    @abstractmethod
    async def send_interrupt_signal(self) -> None:
        """Send SIGINT to the kernel.

        Raises :class:`~w2z.errors.KernelNotInterrupted` where that is not possible.
        """

    @abstractmethod
    def hurry(self) -> None:
        """Called when another signal to end arrives: do not wait for the steps of :meth:`stop`."""

    @abstractmethod
    def forward(self, number: int) -> None:
        """Called for a signal that w2z itself does not use: pass it on to a launched kernel."""

    async def interrupt(self) -> None:
        """Interrupt what the kernel is running.

        Returns only if the interrupt worked, as far as w2z can know. Otherwise raises
        :class:`~w2z.errors.KernelError`, which says why it did not.
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

    async def stop_running(self, seconds: float) -> None:
        """Interrupt a busy kernel before its end, and wait ``seconds`` at most until it is idle.

        So the client whose cell it runs gets a reply. And some kernels, ipykernel among them, end
        only after what they run has ended. Call this before the kernel is marked: a marked kernel
        does not count as busy.
        """
        if not self.kernel.is_busy:
            return
        for way in (await self._plan()).ways[:1]:
            if way is Way.MESSAGE:
                self.kernel.link.conversation.tell("interrupt_request", {})
            else:
                with contextlib.suppress(KernelNotInterrupted):
                    await self.send_interrupt_signal()
        await self._is_idle_within(seconds)

    async def _plan(self) -> Plan:
        # The operator's choice counts: with one, the spec is not looked up.
        spec_mode = None if self.interrupt_mode else await self.spec_mode()
        return plan(
            self.interrupt_mode,
            spec_mode,
            self.kernel.implementation,
            name=self.kernel.name,
            owned=self.owned,
        )

    async def _try(self, ways: Sequence[Way]) -> None:
        """Use the first way that works; raise the error of the last one if none does."""
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

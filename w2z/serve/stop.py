"""Why w2z ends, and with which exit code: a signal, a client's wish, or the kernel's own end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from typing import TypeVar

from w2z.errors import ENDED_BY_SIGNAL, ExitCode

log = logging.getLogger("w2z")

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that end w2z: PID 1 gets no default action, so each has to be handled."""

LEFT_IGNORED = (signal.SIGINT, signal.SIGHUP)
"""Those of them that end nothing where they were ignored when w2z was started: ``nohup`` ignores
SIGHUP, and a shell SIGINT for what it starts in the background.
"""

FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that mean nothing to w2z and may mean something to the kernel."""


T = TypeVar("T")


class Stop:
    """Waits for the first reason to end; :attr:`exit_code` says which it was.

    ``hurry`` is called at every ending signal after the first, ``forward`` at forwarded ones; both
    may be set later.
    """

    def __init__(self) -> None:
        self.exit_code: int = ExitCode.OK
        self.hurry: Callable[[], None] | None = None
        self.forward: Callable[[int], None] | None = None
        self._happened = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in ENDING:
            is_ignored = signal.getsignal(number) == signal.SIG_IGN and number in LEFT_IGNORED
            # Ignored by a handler: what the process itself ignores its children ignore, too, and a
            # kernel that ignores SIGINT cannot be interrupted.
            handle = self._on_ignored if is_ignored else self._on_signal
            loop.add_signal_handler(number, handle, number)
        for number in FORWARDED:
            loop.add_signal_handler(number, self._on_forwarded, number)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it happens, or so long; returns whether it happened."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._happened.wait()
        return self._happened.is_set()

    def because(self, reason: str, exit_code: int = ExitCode.OK) -> None:
        """There is a reason; only the first one counts."""
        if not self._happened.is_set():
            log.info("%s: shutting down", reason)
            self.exit_code = exit_code
        self._happened.set()

    def on_request(self) -> None:
        """A client asked for the end."""
        self.because("stopped by a client")

    def _on_signal(self, number: int) -> None:
        if self._happened.is_set() and self.hurry is not None:
            log.info("%s again: in a hurry", signal.Signals(number).name)
            self.hurry()
        self.because(signal.Signals(number).name, ENDED_BY_SIGNAL + number)

    def _on_ignored(self, number: int) -> None:
        log.debug("%s: ignored, as it was when w2z was started", signal.Signals(number).name)

    def _on_forwarded(self, number: int) -> None:
        if self.forward is not None:
            self.forward(number)

"""Why w2z ends, and with which exit code: a signal, a client, a time limit, or the kernel's end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from math import inf

from w2z.errors import ENDED_BY_SIGNAL, ExitCode
from w2z.starting import release_signals

log = logging.getLogger("w2z")

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that end w2z. Each one needs a handler, because PID 1 gets no default action."""

LEFT_IGNORED = (signal.SIGINT, signal.SIGHUP)
"""The signals of ``ENDING`` that stay ignored if they were ignored when w2z was started: ``nohup``
ignores SIGHUP, and a shell ignores SIGINT for programs that it starts in the background.
"""

FORWARDED = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that w2z does not use, but passes on: they may mean something to the kernel."""


AGAIN = 0.1
"""Seconds within which the same signal counts once: ``timeout``, for one, sends it to the process
and to its group.
"""


class Stop:
    """The first reason to end, and the :attr:`exit_code` that follows from it.

    ``hurry`` is called at every ending signal that comes after the first reason, but not at the
    same one within :data:`AGAIN`; ``forward`` at every signal of ``FORWARDED``. Both are set once
    w2z has a keeper.
    """

    def __init__(self) -> None:
        self.exit_code: int = ExitCode.OK
        self.hurry: Callable[[], None] | None = None
        self.forward: Callable[[int], None] | None = None
        self._happened = asyncio.Event()
        self._counted_at: dict[int, float] = {}
        loop = self._loop = asyncio.get_running_loop()
        for number in ENDING:
            is_ignored = signal.getsignal(number) == signal.SIG_IGN and number in LEFT_IGNORED
            # Ignored by a handler, not by SIG_IGN: the kernel would inherit SIG_IGN, and a kernel
            # that ignores SIGINT cannot be interrupted.
            handle = self._on_ignored if is_ignored else self._on_signal
            loop.add_signal_handler(number, handle, number)
        for number in FORWARDED:
            loop.add_signal_handler(number, self._on_forwarded, number)
        # Those that came since the process began are handled now.
        release_signals()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for a reason to end, ``seconds`` at most; return whether there is one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._happened.wait()
        return self._happened.is_set()

    def because(self, reason: str, exit_code: int = ExitCode.OK) -> None:
        """End w2z for this reason with this exit code; only the first call counts."""
        if not self._happened.is_set():
            log.info("%s: shutting down", reason)
            self.exit_code = exit_code
        self._happened.set()

    def on_request(self) -> None:
        """Called when a client asked w2z to end."""
        self.because("stopped by a client")

    def _on_signal(self, number: int) -> None:
        now = self._loop.time()
        if now < self._counted_at.get(number, -inf) + AGAIN:
            return
        self._counted_at[number] = now
        if self._happened.is_set() and self.hurry is not None:
            log.info("%s: in a hurry", signal.Signals(number).name)
            self.hurry()
        self.because(signal.Signals(number).name, ENDED_BY_SIGNAL + number)

    def _on_ignored(self, number: int) -> None:
        log.debug("%s: ignored, as it was when w2z was started", signal.Signals(number).name)

    def _on_forwarded(self, number: int) -> None:
        if self.forward is not None:
            self.forward(number)

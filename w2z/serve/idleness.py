"""When w2z ends by itself: after ``--idle-timeout`` without use, or after ``--max-lifetime``."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from w2z.bridge.bridge import Bridge
from w2z.serve.stop import Stop
from w2z.settings import Settings

IDLE_CHECK_INTERVAL = 1.0
"""Seconds between checks whether the kernel is in use."""


class Idleness:
    """How long the kernel has been out of use: no client connected, and nothing running.

    The caller passes the time, in seconds of any clock that does not jump.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._since = now

    def poll(self, connections: int, is_busy: bool, now: float) -> bool:
        """Whether the kernel has been out of use for the timeout; call this every few seconds."""
        if connections or is_busy:
            self._since = now
        return now - self._since >= self._timeout


async def grow_old(
    settings: Settings,
    bridge: Bridge,
    stop: Stop,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """End w2z after ``idle_timeout`` without use of the kernel, or after ``max_lifetime``."""
    born = now()
    idleness = Idleness(settings.idle_timeout or math.inf, born)
    while True:
        await sleep(IDLE_CHECK_INTERVAL)
        if idleness.poll(bridge.clients.connections, bridge.kernel.is_busy, now()):
            stop.because(f"nobody has needed the kernel for {settings.idle_timeout:g} s")
            return
        if settings.max_lifetime is not None and now() - born >= settings.max_lifetime:
            stop.because(f"--max-lifetime of {settings.max_lifetime:g} s is over")
            return

"""How late the event loop is: what every client waits before w2z begins with what it sent."""

from __future__ import annotations

import asyncio

PROBE_EVERY = 1.0
"""Seconds between probes."""

WINDOW = 30
"""Probes of a window; the worst of this window and of the one before is told."""


class Lag:
    """Measures it with a timer every second, which costs next to nothing."""

    def __init__(self) -> None:
        self.total = 0.0
        """Seconds that all probes together were late."""
        self._worst = [0.0, 0.0]
        self._probes = 0

    @property
    def worst(self) -> float:
        """The most seconds that a probe of the last half minute, or minute, was late."""
        return max(self._worst)

    def measured(self, late: float) -> None:
        """Take note of one probe."""
        self.total += late
        self._probes += 1
        if self._probes % WINDOW == 0:
            self._worst = [self._worst[1], 0.0]
        self._worst[1] = max(self._worst[1], late)

    async def watch(self) -> None:
        """Probe until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PROBE_EVERY
            await asyncio.sleep(PROBE_EVERY)
            self.measured(max(0.0, loop.time() - due))

"""Trouble that comes in bursts: all of it is counted, one line a burst is logged."""

from __future__ import annotations

import logging
import time

from w2z.errors import KernelMessageError
from w2z.message import Channel

log = logging.getLogger("w2z")

BURST = 10.0
"""Seconds in which trouble of one kind is logged once."""


class Trouble:
    """What went wrong on the way of messages, without an end to it."""

    def __init__(self) -> None:
        self.dropped = 0
        self._logged: dict[str, float] = {}

    def drop(self, channel: Channel, error: KernelMessageError) -> None:
        """A kernel's message on that channel goes no further."""
        self.dropped += 1
        if self._is_new("message"):
            log.warning(
                "dropped a kernel message on %s (%d so far): %s", channel, self.dropped, error
            )

    def spill(self, error: OSError) -> None:
        """Nothing can be kept in temporary files."""
        if self._is_new("spill"):
            log.warning(
                "cannot keep output in temporary files: %s; what memory has no room for is"
                " dropped, and clients are told",
                error.strerror,
            )

    def _is_new(self, kind: str) -> bool:
        now = time.monotonic()
        is_new = now - self._logged.get(kind, float("-inf")) >= BURST
        if is_new:
            self._logged[kind] = now
        return is_new

"""Counting and logging of errors that come in bursts: one line is logged for each burst."""

from __future__ import annotations

import logging
import time
import traceback

from w2z.errors import KernelMessageError
from w2z.message import Channel

log = logging.getLogger("w2z")

BURST = 10.0
"""Seconds in which errors of one kind are logged at most once."""


class Reports:
    """Logs each kind of recoverable error at most once in :data:`BURST` seconds.

    Dropped messages, defects and refused tokens are also counted.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.defects = 0
        self.tokens_refused = 0
        self._logged: dict[str, float] = {}

    def drop(self, channel: Channel, error: KernelMessageError) -> None:
        """Report that a kernel's message on ``channel`` was dropped because of ``error``."""
        self.dropped += 1
        if self._is_new("message"):
            log.warning(
                "dropped a kernel message on %s (%d so far): %s", channel, self.dropped, error
            )

    def defect(self, error: Exception) -> None:
        """Report an unexpected error that was raised while one connection was served.

        The log shows the error's type and traceback, not its message, which may quote the peer.
        """
        self.defects += 1
        frames = traceback.extract_tb(error.__traceback__)
        kind = type(error).__name__
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
        if self._is_new(f"defect {kind} {where}"):
            log.error(
                "a defect ended a request or a connection, and nothing else: %s\n%s",
                kind,
                "".join(traceback.format_list(frames)).rstrip(),
            )

    def overrun(self) -> None:
        """Report that output was dropped because memory has no room for it."""
        if self._is_new("overrun"):
            log.warning(
                "dropped output: the kernel sends faster than w2z can carry it, and memory has no"
                " room for more; set a higher --memory-budget, or give w2z more CPU"
            )

    def refused_token(self, address: str, reason: str) -> None:
        """Report that a request from ``address`` presented no right token."""
        self.tokens_refused += 1
        if self._is_new("token"):
            log.warning(
                "refused a request from %s: %s (%d such requests so far)",
                address,
                reason,
                self.tokens_refused,
            )

    def no_files(self) -> None:
        """Report that a connection cannot be accepted, because too many files are open."""
        if self._is_new("files"):
            log.error(
                "too many open files: connections wait until others close; allow more files, or"
                " set a lower --max-connections"
            )

    def spill(self, error: OSError) -> None:
        """Report that messages cannot be kept in temporary files."""
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

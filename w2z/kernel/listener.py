"""The callbacks by which clients learn what happens to the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from w2z.message import Message


class KernelListener(Protocol):
    """The object that the :class:`~w2z.kernel.kernel.Kernel` calls; all clients are behind it."""

    def opened(self) -> None:
        """Called when requests that were refused may be retried."""

    def lost(self, reason: str) -> None:
        """Called when the kernel is gone: its pending requests are lost, and need an answer."""

    def cut(self) -> None:
        """Called when the next sockets get new identities: pending requests can get no reply any
        more, not even from the same kernel.
        """

    def announce(self, state: str, reason: str | None) -> None:
        """Called to announce an execution state to all clients, and the reason."""

    def ended(self, busy: Sequence[Message]) -> None:
        """Called with the ``busy`` statuses of requests that have ended without an ``idle``."""

"""Whether a connection is read from: not while there is a reason against it.

Reasons come and go independently of each other. The transport is read from when none is left, so
whoever has dealt with one does not undo another. Nobody else pauses or resumes the reading.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol


class Reason(Enum):
    """Why a connection is not read from just now."""

    ANSWERING = auto()
    """A request is being answered; they are answered one after the other."""
    KERNEL_IS_FULL = auto()
    """The kernel takes no more of what the client says."""
    PEER_READS_NOTHING = auto()
    """The peer does not read the answers it has got."""


class Transport(Protocol):
    """Where the bytes come from."""

    def pause_reading(self) -> None:
        """Let nothing come."""

    def resume_reading(self) -> None:
        """Let it come again."""


class Reading:
    """The reading side of one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._reasons: set[Reason] = set()

    @property
    def is_stopped(self) -> bool:
        """Whether there is any reason not to read."""
        return bool(self._reasons)

    def is_stopped_by(self, reason: Reason) -> bool:
        """Whether there is this reason, perhaps among others."""
        return reason in self._reasons

    def stop(self, reason: Reason) -> None:
        """Do not read until this reason, too, is gone."""
        if not self._reasons:
            self._transport.pause_reading()
        self._reasons.add(reason)

    def go_on(self, reason: Reason) -> None:
        """The reason is gone; does nothing where it was none."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                self._transport.resume_reading()

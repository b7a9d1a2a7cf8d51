"""Whether a connection is read from: only while there is no reason against it.

Reasons come and go independently of each other. The transport is read from when no reason is left,
so code that removes its own reason cannot undo another. Nothing else pauses or resumes the reading.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol


class Reason(Enum):
    """A reason not to read from a connection now."""

    ANSWERING = auto()
    """An HTTP request is being answered; a connection's requests are answered one at a time."""
    KERNEL_IS_FULL = auto()
    """Too many bytes of the client's requests wait for the kernel."""
    OTHERS_TURN = auto()
    """What was received is read in turns, and others come first."""
    SENT_MUCH = auto()
    """The last read brought much, and others come first."""
    PEER_READS_NOTHING = auto()
    """The peer does not read the responses that were sent to it."""


class Transport(Protocol):
    """The part of an asyncio transport that controls reading."""

    def pause_reading(self) -> None:
        """Stop delivering received bytes."""

    def resume_reading(self) -> None:
        """Deliver received bytes again."""


class Reading:
    """The reading side of one transport, with the reasons not to read."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._reasons: set[Reason] = set()

    @property
    def is_stopped(self) -> bool:
        """Whether there is any reason not to read."""
        return bool(self._reasons)

    def is_stopped_by(self, reason: Reason) -> bool:
        """Whether this reason holds, perhaps among others."""
        return reason in self._reasons

    def stop(self, reason: Reason) -> None:
        """Add a reason: nothing is read until it and all others are removed."""
        if not self._reasons:
            self._transport.pause_reading()
        self._reasons.add(reason)

    def go_on(self, reason: Reason) -> None:
        """Remove a reason, if it holds. Reading resumes when no reason is left."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                self._transport.resume_reading()

"""The bytes that sockets were given for the kernel and that libzmq still has.

libzmq's own marks count messages, whatever their size. So w2z follows its messages: pyzmq tells
when libzmq has let go of one, which is when its last byte was written to the connection. Only one
message for each :data:`FOLLOW_EVERY` bytes is followed: what was sent before it has left before it.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

FOLLOW_EVERY = 2**17
"""Bytes after which a message is followed. Of each socket no more than these are not counted."""

BYTES_MARK = 2**22
"""Bytes that one socket holds for a kernel that does not take them: libzmq can send while w2z looks
elsewhere. Beyond this the socket refuses messages; a single message may be larger.
"""

FIRST_LOOK, SLOWEST_LOOK = 0.005, 0.1
"""Seconds between two looks whether libzmq has let go of enough: at first, and at most, because
each time is twice the one before.
"""


class Tracker(Protocol):
    """Tells whether libzmq still has a message; see :class:`zmq.MessageTracker`."""

    @property
    def done(self) -> bool:
        """Whether it has let go of the message."""


class UnderWay:
    """The bytes under way in one socket. While there are any, ``sockets`` contains this object."""

    def __init__(self, sockets: set[UnderWay]) -> None:
        self._sockets = sockets
        self._followed: deque[tuple[Tracker, int]] = deque()
        self._size = 0
        self._since = 0

    @property
    def size(self) -> int:
        """The bytes that libzmq has now."""
        while self._followed and self._followed[0][0].done:
            self._size -= self._followed.popleft()[1]
        if not self._followed:
            self._sockets.discard(self)
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether the socket has to refuse messages."""
        return self._size >= BYTES_MARK and self.size >= BYTES_MARK

    def wants(self, size: int) -> bool:
        """Whether a message of that size has to be followed."""
        return self._since + size >= FOLLOW_EVERY

    def sent(self, size: int, tracker: Tracker | None) -> None:
        """A message was sent, and is followed by ``tracker``, or is not."""
        self._since += size
        if tracker is not None:
            self._followed.append((tracker, self._since))
            self._size += self._since
            self._since = 0
            self._sockets.add(self)


def total(sockets: set[UnderWay]) -> int:
    """Return the bytes under way in all sockets."""
    return sum(one.size for one in list(sockets))

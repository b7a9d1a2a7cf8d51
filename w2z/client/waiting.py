"""What waits for local clients, because one that subscribed to iopub does not read.

ZMQ drops output for a subscriber that is 1,000 messages behind. Here nothing is dropped: the socket
refuses (``XPUB_NODROP``), and what comes waits:

- In the order in which it came, replies included: a client such as nbclient gives the output a few
  seconds once it has the reply.
- But a reply does not wait for a reader that has not read anything for a second. There are clients
  that never read iopub, only replies.
- When there is much, no more is read from w2z, whose journal keeps the rest.
- Where that lasts, a subscriber gets what it would from any kernel: it loses output. Otherwise one
  that never reads would stop all others for good.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from w2z.message import Buffer, Channel

FIRST_TRY, SLOWEST_TRY = 0.001, 0.02
"""Seconds until the socket is tried again: at first, and at most, each time twice the one before.
Nothing tells when an XPUB takes messages again: it always claims to.
"""

OVERTAKES_AFTER = 1.0
"""Seconds without any progress after which what is not output no longer waits for output."""

MOST_OUTPUT = 32 * 2**20
"""Bytes that wait before nothing more is read from w2z."""

LITTLE_OUTPUT = 8 * 2**20
"""Bytes at which it is read again."""

LOSES_AFTER = 60.0
"""Seconds without any progress, with as much as may wait, after which output is given up."""


class Outgoing(NamedTuple):
    """One multipart for a local socket, and its bytes."""

    channel: Channel
    parts: list[Buffer]
    size: int


class Waiting:
    """The multiparts that wait, in order. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._all: deque[Outgoing] = deque()
        self._size = 0
        self._is_full = False
        self._stalled_since: float | None = None
        self._pause = FIRST_TRY

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def is_full(self) -> bool:
        """Whether no more should come; until there is room again for a good deal."""
        self._is_full = self._size >= (LITTLE_OUTPUT if self._is_full else MOST_OUTPUT)
        return self._is_full

    def add(self, outgoing: Outgoing) -> None:
        """Let one more wait."""
        self._all.append(outgoing)
        self._size += outgoing.size

    def first(self) -> Outgoing:
        """Return the one whose turn it is. Call it only while any waits."""
        return self._all[0]

    def sent(self) -> None:
        """The first was sent: there is progress."""
        self._size -= self._all.popleft().size
        self._stalled_since = None
        self._pause = FIRST_TRY

    def refused(self, now: float) -> float:
        """The first was refused. Returns the seconds until it may be tried again."""
        if self._stalled_since is None:
            self._stalled_since = now
        pause = self._pause
        self._pause = min(2 * pause, SLOWEST_TRY)
        return pause

    def overtaking(self, now: float) -> list[Outgoing]:
        """Take out and return what goes ahead of the output: nothing, unless all stands still."""
        if not self._stalls_for(OVERTAKES_AFTER, now):
            return []
        ahead = [one for one in self._all if one.channel is not Channel.IOPUB]
        if ahead:
            self._all = deque(one for one in self._all if one.channel is Channel.IOPUB)
            self._size -= sum(one.size for one in ahead)
        return ahead

    def is_lost(self, now: float) -> bool:
        """Whether the first goes only to those subscribers that take it. libzmq then leaves the
        others out until they read again, and refuses nothing on their account.
        """
        return self.is_full and self._stalls_for(LOSES_AFTER, now)

    def _stalls_for(self, seconds: float, now: float) -> bool:
        return self._stalled_since is not None and now - self._stalled_since >= seconds

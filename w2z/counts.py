"""What is counted for the metrics page, beside problems (:mod:`w2z.reports`) and deliveries."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from w2z.errors import CloseCode
from w2z.message import Channel

KNOWN_CODES = frozenset((*CloseCode, 1000, 1001, 1005, 1006))
"""The close codes of w2z, of browsers and of connections that were cut."""


class RequestKind(NamedTuple):
    """What requests over HTTP are told apart by; ``route`` is a pattern, never a peer's text."""

    method: str
    route: str
    status: int


class Traffic:
    """Messages and their bytes, on one channel in one direction."""

    __slots__ = ("messages", "size")

    def __init__(self) -> None:
        self.messages = 0
        self.size = 0


class Counts:
    """Counts from the start of w2z on; they only grow."""

    def __init__(self) -> None:
        self.to_kernel = {channel: Traffic() for channel in Channel}
        self.to_clients = {channel: Traffic() for channel in Channel}
        self.requests: Counter[RequestKind] = Counter()
        self.refusals: Counter[str] = Counter()
        self.websockets: Counter[int] = Counter()
        """Websockets that ended, by the code with which they did."""
        self.restarts = 0
        self.kernels_lost = 0
        self._is_lost = False

    @property
    def kernels(self) -> int:
        """How many kernels there were, the present one included."""
        return self.restarts + 1

    def closed(self, code: int) -> None:
        """A websocket ended. Codes that clients make up count as one: 0."""
        self.websockets[code if code in KNOWN_CODES else 0] += 1

    def lost(self) -> None:
        """The kernel is gone."""
        self.kernels_lost += 1
        self._is_lost = True

    def opened(self) -> None:
        """A kernel takes requests: the one before, or another one in its place."""
        if self._is_lost:
            self.restarts += 1
            self._is_lost = False

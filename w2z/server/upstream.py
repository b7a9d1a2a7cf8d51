"""The requests of one client on their way to the kernel, in order.

While the kernel takes none, every request waits behind the first that it refused. An error drops
the request that caused it and all that wait behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

MessageT = TypeVar("MessageT")


class Upstream(Generic[MessageT]):
    """One client's queue. ``send`` hands a request to the kernel; ``False``: it was refused.

    Nothing is sent again by itself: call :meth:`retry` when the kernel takes requests again.
    ``send`` must not call this object: the request that it is sending is still in the queue.
    """

    def __init__(self, send: Callable[[MessageT], bool]) -> None:
        self._send = send
        self._messages: deque[tuple[MessageT, int]] = deque()
        self.waiting = 0
        """Bytes of the requests that wait."""

    def add(self, message: MessageT, size: int) -> None:
        """Send a request of ``size`` bytes, behind those that wait. Raises what ``send`` raises."""
        self._messages.append((message, size))
        self.waiting += size
        if len(self._messages) == 1:
            self.retry()

    def retry(self) -> None:
        """Send the waiting requests until one is refused. Raises what ``send`` raises."""
        has_failed = True
        try:
            while self._messages and self._send(self._messages[0][0]):
                self.waiting -= self._messages.popleft()[1]
            has_failed = False
        finally:
            if has_failed:
                self._messages.clear()
                self.waiting = 0

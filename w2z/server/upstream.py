"""One connection's messages on their way to the kernel, in their order.

The kernel may take no more for a while: then all that comes waits behind the first that it refused.
A fault ends the way: what waits behind it is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

MessageT = TypeVar("MessageT")


class Upstream(Generic[MessageT]):
    """``send`` hands a message to the kernel; ``False`` while the kernel takes none.

    ``send`` does not come back here by itself: call :meth:`retry` when the kernel takes messages
    again.
    """

    def __init__(self, send: Callable[[MessageT], bool]) -> None:
        self._send = send
        self._messages: deque[tuple[MessageT, int]] = deque()
        self.waiting = 0
        """Bytes of the messages that wait."""

    def add(self, message: MessageT, size: int) -> None:
        """Send it, or let it wait for its turn. Raises what ``send`` raises."""
        self._messages.append((message, size))
        self.waiting += size
        if len(self._messages) == 1:
            self.retry()

    def retry(self) -> None:
        """Send what waits, as much as the kernel takes. Raises what ``send`` raises."""
        try:
            while self._messages and self._send(self._messages[0][0]):
                self.waiting -= self._messages.popleft()[1]
        except Exception:
            self._messages.clear()
            self.waiting = 0
            raise

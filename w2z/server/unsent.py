"""The end of an HTTP connection, and of a peer that does not take what was written to it.

A transport that is closed waits until all was sent, so a peer that reads nothing would keep it for
ever. It has a deadline here, which it may put off by taking something, but not for ever either.
"""

from __future__ import annotations

from collections.abc import Callable

from w2z.server.connections import Connection

LOOKS = 8
"""Deadlines that a peer has, at most, to take the rest when the connection closes."""


class Unsent:
    """What was written to one connection and not sent; ``seconds`` returns the time of a deadline.

    It uses the connection's timer.
    """

    def __init__(self, connection: Connection, seconds: Callable[[], float]) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._seconds = seconds
        self._left = 0
        self._looks = 0

    def close(self) -> None:
        """Close when the peer has taken all that was written; cut a peer that takes nothing."""
        self._transport.close()
        self._looks = LOOKS
        self.watch()

    def watch(self) -> None:
        """Cut a peer that takes none of the unsent bytes until the deadline."""
        self._left = self._transport.get_write_buffer_size()
        self._connection.set_timer(self._seconds(), self._look)

    def _look(self) -> None:
        self._looks -= 1
        if self._transport.get_write_buffer_size() == self._left or self._looks == 0:
            self._transport.abort()
        else:
            self.watch()

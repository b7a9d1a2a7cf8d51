"""How many messages libzmq may hold for w2z on iopub; no I/O.

libzmq's mark counts messages, whatever their size. With the mark for small ones, a kernel that
sends megabytes would fill w2z's memory while w2z waits for the processor. So the mark is lower
while messages are large. What libzmq does not take waits in the kernel.
"""

from __future__ import annotations

from w2z.kernel.sockets.options import IOPUB_MARK

MOST_BYTES = 2**26
"""Bytes that libzmq may hold, about."""

LEAST_MARK = 64
"""Messages that it may hold, however large they are."""

FORGETS = 0.1
"""How much of the mean size each batch of smaller messages makes up."""


class ReceiveMark:
    """The mark that suits the messages that came last."""

    def __init__(self) -> None:
        self.mark = IOPUB_MARK
        self._mean = 0.0

    def after(self, count: int, size: int) -> int | None:
        """Take note of a batch of ``count`` messages with ``size`` bytes. Returns another mark, if
        one suits much better than the present one.
        """
        mean = size / count
        self._mean = max(mean, self._mean + FORGETS * (mean - self._mean))
        wanted = int(min(IOPUB_MARK, max(LEAST_MARK, MOST_BYTES / max(self._mean, 1.0))))
        if self.mark / 2 < wanted < self.mark * 2 and wanted < IOPUB_MARK:
            return None
        if wanted == self.mark:
            return None
        self.mark = wanted
        return wanted

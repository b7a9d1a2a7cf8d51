"""Whether memory has room for output that waits in libzmq, whose queue has no bound in bytes."""

from __future__ import annotations

from w2z.resident import give_back, resident


class Room:
    """The memory that this process may take in all: what it takes now, and ``more`` bytes.

    Where the system does not tell what a process takes, there is always room.
    """

    def __init__(self, more: int) -> None:
        self._limit = resident() + more

    @property
    def is_used_up(self) -> bool:
        """Whether the process takes more, even after it gave back what it does not use."""
        if resident() <= self._limit:
            return False
        give_back()
        return resident() > self._limit

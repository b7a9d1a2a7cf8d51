"""A store that fails when it is told to."""

from __future__ import annotations

import errno

PLENTY = 2**40


class Shelf:
    """Keeps data in memory, ``room`` bytes at most; freeing twice is an error."""

    def __init__(self, room: int = PLENTY) -> None:
        self.room = room
        self.is_full = False
        self.has_lost = False
        self.kept: dict[int, bytes] = {}
        self._next_token = 0

    def write(self, data: bytes) -> int:
        """Keep the data; the room is that of all there is."""
        if self.is_full or sum(map(len, self.kept.values())) + len(data) > self.room:
            raise OSError(errno.ENOSPC, "full")
        self._next_token += 1
        self.kept[self._next_token] = data
        return self._next_token

    def read(self, token: int) -> bytes:
        """Give it back."""
        if self.has_lost:
            raise OSError(errno.EIO, "lost")
        return self.kept[token]

    def free(self, token: int) -> None:
        """It is not needed any more."""
        del self.kept[token]

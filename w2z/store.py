"""Where goes what memory has no room for: files, or in tests whatever fails as it is told to."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Keeps pieces of data. Every method but :meth:`free` may raise :class:`OSError`."""

    def write(self, data: bytes) -> int:
        """Keep the data; returns a token for it."""

    def read(self, token: int) -> bytes:
        """Give it back."""

    def free(self, token: int) -> None:
        """It is not needed any more. Never raises."""

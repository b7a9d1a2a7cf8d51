"""Storage for messages that do not fit in memory.

Production uses temporary files (:mod:`w2z.store.files`); tests use a fake that fails on demand.
"""

from __future__ import annotations

import errno
import marshal
from collections.abc import Callable
from typing import Any, Protocol


class Store(Protocol):
    """Keeps pieces of data. Every method but :meth:`free` may raise :class:`OSError`."""

    def write(self, data: bytes) -> int:
        """Keep the data; returns a token for it."""

    def read(self, token: int) -> bytes:
        """Give it back."""

    def free(self, token: int) -> None:
        """It is not needed any more. Never raises."""


class Depot:
    """A store for lists, tuples, numbers, texts and bytes; ``None`` takes nothing.

    Whatever the store cannot do is told to ``report``.
    """

    def __init__(self, store: Store | None, report: Callable[[OSError], None]) -> None:
        self._store = store
        self._report = report

    def put(self, content: Any) -> int | None:
        """Keep the content; returns a token for it, or ``None`` where that was not possible."""
        if self._store is None:
            return None
        try:
            return self._store.write(marshal.dumps(content))
        except OSError as error:
            self._report(error)
        except ValueError:
            self._report(OSError(errno.EFBIG, "a part of a message is larger than 2 GiB"))
        return None

    def take(self, token: int) -> Any | None:
        """The content, or ``None`` if it is lost."""
        if self._store is None:
            return None
        try:
            # Nobody but this process can write there: the store is its own.
            return marshal.loads(self._store.read(token))  # noqa: S302
        except OSError as error:
            self._report(error)
            return None

    def free(self, token: int) -> None:
        """It is not needed any more."""
        if self._store is not None:
            self._store.free(token)

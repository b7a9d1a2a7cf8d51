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
        """Keep the data and return a token for it."""

    def read(self, token: int) -> bytes:
        """Return the data for which :meth:`write` returned this token."""

    def free(self, token: int) -> None:
        """Note that the data of this token is not needed any more. Never raises."""


class Depot:
    """Keeps lists, tuples, numbers, texts and bytes in a store; without a store it keeps nothing.

    ``report`` is called with each error of the store; the methods raise none of them.
    """

    def __init__(self, store: Store | None, report: Callable[[OSError], None]) -> None:
        self._store = store
        self._report = report

    def put(self, content: Any) -> int | None:
        """Keep the content and return a token for it, or ``None`` if it cannot be kept."""
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
        """Return the content for which :meth:`put` returned this token, or ``None`` if it is lost.

        The content stays in the store until :meth:`free`.
        """
        if self._store is None:
            return None
        try:
            # Safe to load: only this process can write to its store.
            return marshal.loads(self._store.read(token))  # noqa: S302
        except OSError as error:
            self._report(error)
            return None

    def free(self, token: int) -> None:
        """Note that the content of this token is not needed any more. Never raises."""
        if self._store is not None:
            self._store.free(token)

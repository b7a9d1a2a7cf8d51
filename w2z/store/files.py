"""Temporary files for messages that do not fit in memory.

The files have no name (they are unlinked while they are open), so nothing is left behind however
w2z ends. A file is closed, which frees its space, as soon as nothing in it is needed.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SEGMENT = 64 * 2**20
"""Bytes after which the next file is begun. Small, because a file's space is freed as a whole."""

FULL_FOR = 5.0
"""Seconds without an attempt to write after a write failed."""


@dataclass(slots=True)
class _Segment:
    """One file; ``size`` counts the bytes written to it, ``used`` those still needed."""

    file: IO[bytes]
    size: int = 0
    used: int = 0


@dataclass(slots=True)
class SpillBudget:
    """Byte budget shared by all spill files, and how much of it is in use."""

    limit: int
    taken: int = 0


class SpillFiles:
    """A :class:`~w2z.store.store.Store` in the directory ``folder``; others may share ``budget``.

    Data that is freed at different times belongs in different stores, because a file's space is
    freed as a whole.
    """

    def __init__(self, budget: SpillBudget, folder: Path | None) -> None:
        self._budget = budget
        self._folder = folder
        self._segments: list[_Segment] = []
        self._places: dict[int, tuple[_Segment, int, int]] = {}
        self._next_token = 0
        self._refused_until = 0.0

    def write(self, data: bytes) -> int:
        """Keep the data and return a token for it.

        Raises :class:`OSError` when the budget is used up, or when the data cannot be written.
        For :data:`FULL_FOR` seconds after a failed write it raises without an attempt.
        """
        if time.monotonic() < self._refused_until:
            raise OSError(errno.ENOSPC, "the spill directory has just refused to write")
        if self._budget.taken + len(data) > self._budget.limit:
            raise OSError(errno.ENOSPC, "--spill-size is reached")
        try:
            return self._write(data)
        except OSError:
            self._refused_until = time.monotonic() + FULL_FOR
            raise

    def read(self, token: int) -> bytes:
        """Return the data for which :meth:`write` returned this token.

        Raises :class:`OSError` when the file cannot be read or is too short.
        """
        segment, offset, size = self._places[token]
        data = os.pread(segment.file.fileno(), size, offset)
        if len(data) < size:
            raise OSError(errno.EIO, "the spill file is shorter than what was written to it")
        return data

    def free(self, token: int) -> None:
        """Note that the data is not needed any more; closes the file if it has no other data."""
        segment, _, size = self._places.pop(token)
        segment.used -= size
        if segment.used == 0:
            self._close(segment)
            self._segments.remove(segment)

    def close(self) -> None:
        """Close all files; their data is lost."""
        for segment in self._segments:
            self._close(segment)
        self._segments.clear()
        self._places.clear()

    def _close(self, segment: _Segment) -> None:
        segment.file.close()
        self._budget.taken -= segment.size

    def _write(self, data: bytes) -> int:
        if not self._segments or self._segments[-1].size >= SEGMENT:
            self._segments.append(_Segment(tempfile.TemporaryFile(dir=self._folder)))  # noqa: SIM115
        segment = self._segments[-1]
        written = 0
        while written < len(data):
            rest = memoryview(data)[written:]
            written += os.pwrite(segment.file.fileno(), rest, segment.size + written)
        token = self._next_token
        self._next_token += 1
        self._places[token] = (segment, segment.size, len(data))
        segment.size += len(data)
        self._budget.taken += len(data)
        segment.used += len(data)
        return token

"""Temporary files for what the journal has no memory for.

They have no name (they are unlinked while they are open), so nothing is left behind whatever
happens to w2z. A file is given back to the file system as soon as nothing in it is needed.
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
"""Bytes of a file before the next one is begun: small enough to be given back in time."""

FULL_FOR = 5.0
"""Seconds a file system that refused to write is left alone."""


@dataclass(slots=True)
class _Segment:
    """One file; ``used`` counts what is still needed in it."""

    file: IO[bytes]
    size: int = 0
    used: int = 0


@dataclass(slots=True)
class SpillBudget:
    """Byte budget shared by all spill files, and how much of it is in use."""

    limit: int
    taken: int = 0


class SpillFiles:
    """A :class:`~w2z.store.store.Store` below ``folder``, which shares ``budget`` with others.

    What is given back at different times belongs into different ones: a file goes as a whole.
    """

    def __init__(self, budget: SpillBudget, folder: Path | None) -> None:
        self._budget = budget
        self._folder = folder
        self._segments: list[_Segment] = []
        self._places: dict[int, tuple[_Segment, int, int]] = {}
        self._next_token = 0
        self._refused_until = 0.0

    def write(self, data: bytes) -> int:
        """Keep the data; raises :class:`OSError` when there is no room, or no directory."""
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
        """Give it back; raises :class:`OSError` when it cannot be read."""
        segment, offset, size = self._places[token]
        data = os.pread(segment.file.fileno(), size, offset)
        if len(data) < size:
            raise OSError(errno.EIO, "the spill file is shorter than what was written to it")
        return data

    def free(self, token: int) -> None:
        """It is not needed any more."""
        segment, _, size = self._places.pop(token)
        segment.used -= size
        if segment.used == 0:
            self._close(segment)
            self._segments.remove(segment)

    def close(self) -> None:
        """Nothing is needed any more."""
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

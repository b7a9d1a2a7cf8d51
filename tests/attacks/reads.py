"""Events of files: somebody else has read one (inotify(7))."""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path

_CLOSED = 0x10
"""IN_CLOSE_NOWRITE: a file that was open for reading only was closed."""

_libc = ctypes.CDLL(None, use_errno=True)


class Reads:
    """The next time that somebody has opened a file for reading and closed it again."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if _libc.inotify_add_watch(self._descriptor, bytes(path), _CLOSED) < 0:
            raise OSError(ctypes.get_errno(), f"{path} cannot be watched")

    async def one(self) -> None:
        """Wait for it. Call it once."""
        loop, is_read = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._descriptor, is_read.set)
        try:
            await is_read.wait()
        finally:
            loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

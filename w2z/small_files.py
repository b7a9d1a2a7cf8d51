"""Reading small files that somebody else may write: kernelspecs, connection files, tokens.

Such a file may be replaced by anything: a pipe that nobody writes to, a device without end, a file
of many gigabytes. None of these is waited for, or read into memory. A file system that does not
answer still blocks the caller: once w2z serves, call this in a thread (:mod:`w2z.threads`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_small(path: Path, most: int, *, follow_links: bool = True) -> bytes:
    """Return the content of a regular file; a link to one counts as one if ``follow_links``.

    Raises :class:`OSError` if it cannot be read, and :class:`ValueError` with the reason if it is
    no regular file or has more than ``most`` bytes.
    """
    more = 0 if follow_links else os.O_NOFOLLOW

    def open_at_once(name: str, flags: int) -> int:
        """Open a file; if it is a pipe, do not wait for its other end."""
        return os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY | more)

    with open(path, "rb", opener=open_at_once) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is no regular file")
        text = opened.read(most + 1)
    if len(text) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return text

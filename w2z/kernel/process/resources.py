"""The files beside a kernel.json that frontends show or load: logos, ``kernel.js``, ``kernel.css``.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs. The folder may be the
kernel's to write, so a link in the place of such a file is not followed: it could lead to a file
that only w2z may read.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from w2z.small_files import read_small

MAX_RESOURCE = 2**20
"""The most bytes of such a file; logos have some thousand."""

MAX_RESOURCES = 32
"""How many files of one folder are listed."""

_RESOURCE = re.compile(r"(?P<logo>logo-[\w.-]*?)\.(png|svg|jpe?g|gif)|kernel\.(js|css)", re.ASCII)


def listed(folder: Path) -> Mapping[str, str]:
    """Return the names of the folder's files by the names that clients know them by: that of a logo
    has no suffix. Blocks as long as the file system does.
    """
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
        for name in names:
            match = _RESOURCE.fullmatch(name)
            if match is not None and len(found) < MAX_RESOURCES:
                found.setdefault(match["logo"] or name, name)
    return found


def read(folder: Path, name: str) -> bytes:
    """Return the content of one of these files. Blocks as long as the file system does.

    Raises :class:`OSError` if it cannot be read or is a link, and :class:`ValueError` if it is no
    regular file or has more than :data:`MAX_RESOURCE` bytes.
    """
    return read_small(folder / name, MAX_RESOURCE, follow_links=False)

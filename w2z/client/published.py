"""The local connection file, by which Jupyter clients find the sockets of attach."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from jupyter_core.paths import jupyter_runtime_dir

from w2z.errors import ConnectionFileError
from w2z.kernel import connection_file
from w2z.kernel.connection_file import ConnectionInfo


def new_path() -> Path:
    """Return a path in Jupyter's runtime directory, where ``--existing`` looks for files."""
    return Path(jupyter_runtime_dir()) / f"kernel-{uuid4()}.json"


def given(path: Path | None, *, one_kernel: bool) -> ConnectionInfo | None:
    """Return where to listen if a frontend has decided it; ``None``: attach decides.

    A frontend writes the file before it starts its kernel, and removes it, too. Raises
    :class:`~w2z.errors.ConnectionFileError` for a file that is no connection file, and for one that
    is there already when attach is a command: it may be another kernel's.
    """
    if path is None or not path.exists():
        return None
    if not one_kernel:
        raise ConnectionFileError(
            f"connection file {path}: it exists, and may be another kernel's: name another one, or"
            " remove it first"
        )
    return connection_file.read(path)


class Published:
    """A connection file that is there until the end of the block.

    It is written whole and for its owner alone: call this when the sockets are bound. At the end it
    is removed, unless somebody else wrote it anew. Raises
    :class:`~w2z.errors.ConnectionFileError` if it cannot be written.
    """

    def __init__(self, path: Path, info: ConnectionInfo) -> None:
        self.path = path
        self._info = info

    def __enter__(self) -> Published:
        connection_file.write(self.path, self._info)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError, ConnectionFileError):
            if connection_file.read(self.path) == self._info:
                self.path.unlink()

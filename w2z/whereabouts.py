"""Where w2z listens, left in a small file for the ``w2z wait`` of the same container.

Options may say where w2z listens, and a health check knows the environment only. So ``w2z serve``
leaves its URL in a file that is there as long as it listens, and ``w2z wait`` takes those of
processes that run in its own PID namespace and were started with the same variables. The file holds
no secret. Where none can be written, only the environment is left to say where w2z is.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from w2z.environment import value

log = logging.getLogger("w2z")

VARIABLES = ("W2Z_HOST", "W2Z_PORT", "W2Z_BASE_URL")
"""The variables that ``w2z serve`` and ``w2z wait`` have to have in common."""

MAX_FILE = 64 * 1024
"""Bytes of such a file that are read."""

RETRIES = 3
"""Attempts to write the file: another w2z may just be removing the empty folder."""

PROC = Path("/proc")


class Whereabouts:
    """A context manager: the file is there inside, and says that this process is at ``url``."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self._environment = environment
        pid = os.getpid()
        self._told = {
            "url": url,
            "pid": pid,
            "started": _started(pid),
            "variables": _variables(environment),
        }
        self._name = f"{_namespace()}-{pid}.json"
        self._path: Path | None = None

    def __enter__(self) -> Self:
        for folder in _parents(self._environment):
            mine = folder / f"w2z-{os.geteuid()}"
            for _ in range(RETRIES):
                with contextlib.suppress(OSError):
                    self._path = self._write(mine)
                    return self
        log.debug("no place for the file that says where w2z listens")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._path is not None:
            _remove(self._path)

    def _write(self, folder: Path) -> Path:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_private(folder, os.geteuid()):
            raise PermissionError(folder)
        for old in folder.glob(f"{_namespace()}-*.json"):
            if _read(old) is None:
                old.unlink(missing_ok=True)
        path = folder / self._name
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            json.dump(self._told, file)
        return path


def found(environment: Mapping[str, str]) -> list[str]:
    """Return the URLs of the w2z that run here and were started in the same environment."""
    wanted = _variables(environment)
    told = [_read(path) for path in _files(environment)]
    return sorted({one["url"] for one in told if one and one["variables"] == wanted})


def _variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    return {name: value(environment, name) for name in VARIABLES}


def _parents(environment: Mapping[str, str]) -> list[Path]:
    """Return the folders in which there may be a place; on a read-only root ``/dev/shm`` is."""
    names = (value(environment, name) for name in ("XDG_RUNTIME_DIR", "TMPDIR"))
    runtime, temporary = (Path(name) if name else None for name in names)
    folders = (runtime, Path("/run"), temporary, Path("/tmp"), Path("/dev/shm"))  # noqa: S108
    return [folder for folder in dict.fromkeys(folders) if folder and folder.is_absolute()]


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of this user, for root those of all users."""
    me = os.geteuid()
    for parent in _parents(environment):
        for folder in parent.glob("w2z-*" if me == 0 else f"w2z-{me}"):
            owner = re.fullmatch(r"w2z-(\d+)", folder.name)
            if owner and _is_private(folder, int(owner[1])):
                yield from folder.glob(f"{_namespace()}-*.json")


def _is_private(folder: Path, owner: int) -> bool:
    try:
        there = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(there.st_mode) and there.st_uid == owner and not there.st_mode & 0o077


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a file says; ``None`` if it is not whole, or of a process that has ended."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            told = json.loads(file.read(MAX_FILE))
        is_there = _started(told["pid"]) == told["started"] is not None
        return told if is_there and isinstance(told["url"], str) and told["variables"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _started(pid: int) -> str | None:
    """Return when a process was started, in ticks since the machine's start; ``None``: not there.

    A process id is used again; together with this it is not.
    """
    try:
        text = (PROC / str(int(pid)) / "stat").read_text(errors="replace")
    except (OSError, ValueError):
        return None
    # Field 22; the second, in parentheses, may contain anything (proc_pid_stat(5)).
    return text[text.rindex(")") + 2 :].split()[19]


def _namespace() -> str:
    """Return the number of the PID namespace: containers may share a folder for such files."""
    try:
        return re.sub(r"\D", "", str((PROC / "self" / "ns" / "pid").readlink()))
    except OSError:
        return "0"


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
        # Fails where another w2z has its file there.
        path.parent.rmdir()

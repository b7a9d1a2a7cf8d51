"""The audit log: who sent which request to the kernel, one JSON object a line.

Its lines are made and written by a thread, so a disk that is slow or full holds up nobody. What
could not be written is counted, in the file itself and once in the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from w2z.errors import SettingsError
from w2z.logs.lines import json_line, timestamp
from w2z.logs.writer import Descriptor, LineWriter
from w2z.message import Request
from w2z.settings import AuditCode
from w2z.wire.json import parse_object

log = logging.getLogger("w2z")

AUDIT_ROOM = 8 * 2**20
"""Bytes of requests that may wait to be written."""

MAX_CODE = 2**16
"""Characters of a cell's code that are written; the hash is always of all of it."""

MAX_TYPE = 64
"""Characters of a message type that are written: those of Jupyter have fewer than thirty."""


class AuditLog:
    """Appends to the file at ``path``. A context manager; at the end, what waits is written.

    Raises :class:`~w2z.errors.SettingsError` if the file cannot be opened at the start. It is
    opened anew when it was moved away, as rotation of logs does. ``patience`` is how many seconds
    the end may take.
    """

    def __init__(self, path: Path, code: AuditCode, patience: float) -> None:
        self._code = code
        self._patience = patience
        try:
            self._file = _File(path)
        except OSError as error:
            raise SettingsError(f"--audit-log: {path}: {error.strerror}") from None
        self._writer = LineWriter(self._file, _lost, failed=_failed, room=AUDIT_ROOM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A thread that is stuck in a write keeps the file.
        if self._writer.close(self._patience):
            self._file.close()

    def request(self, session: str, request: Request) -> None:
        """Note a request that goes to the kernel; ``session`` is the digest of the session's id."""
        moment = time.time()
        size = len(request.message.content)
        self._writer.put(lambda: self._line(moment, session, request), size)

    def _line(self, moment: float, session: str, request: Request) -> bytes:
        fields = {
            "time": timestamp(moment),
            "event": "request",
            "peer": request.author.peer,
            "principal": request.author.principal,
            "session": session,
            "channel": str(request.message.channel),
            "msg_type": request.msg_type[:MAX_TYPE],
        }
        if request.msg_type == "execute_request" and self._code != "none":
            fields |= self._told_of(request)
        return _encoded(fields)

    def _told_of(self, request: Request) -> Mapping[str, Any]:
        try:
            code = parse_object(request.message.content, "content").get("code")
        except (ValueError, RecursionError):
            return {}
        if not isinstance(code, str):
            return {}
        data = code.encode(errors="surrogatepass")
        told = {"code_sha256": hashlib.sha256(data).hexdigest(), "code_bytes": len(data)}
        if self._code == "hash":
            return told
        return {**told, "code": code[:MAX_CODE], "code_is_cut": len(code) > MAX_CODE}


class _File:
    """Appends to a file, which is opened anew when another one, or none, is at its path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = -1
        self._open()

    def close(self) -> None:
        """Close the file."""
        if self._number >= 0:
            os.close(self._number)

    def __call__(self, data: bytes) -> None:
        if not self._is_there():
            if self._number >= 0:
                number, self._number = self._number, -1
                os.close(number)
            self._open()
        self._target(data)

    def _open(self) -> None:
        # No link, which could lead into any file, and no pipe, whose reader could hold it up.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        number = os.open(self._path, flags, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, number)
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise OSError(0, "this is no regular file")
            with contextlib.suppress(OSError):
                os.fchmod(number, 0o600)
            undo.pop_all()
        self._number = number
        self._target = Descriptor(number)

    def _is_there(self) -> bool:
        if self._number < 0:
            return False
        try:
            here, there = os.fstat(self._number), os.lstat(self._path)
        except OSError:
            return False
        return os.path.samestat(here, there)


def _lost(requests: int) -> bytes:
    return _encoded({"time": timestamp(time.time()), "event": "lost", "requests": requests})


def _encoded(fields: Mapping[str, Any]) -> bytes:
    return f"{json_line(fields)}\n".encode()


def _failed(error: OSError | None) -> None:
    if error is None:
        log.warning("the audit log is written again; it says how many requests it lost")
    else:
        log.error("the audit log cannot be written: %s", error.strerror)

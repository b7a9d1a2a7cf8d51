"""REST sessions: the documents that frontends have connected to the one kernel.

A REST session is only a record in memory; the kernel does not depend on it. The kernel has one of
its own from the start, because some frontends look for running kernels nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from w2z.errors import HttpError
from w2z.server.request import shown
from w2z.server.rest.models import (
    ChangedSession,
    Kernel,
    KernelReference,
    NewSession,
    Notebook,
    Session,
)
from w2z.wire.json import dump

MAX_SESSIONS = 1024
"""REST sessions kept; a frontend makes one for each open document."""

MAX_NAME_BYTES = 256 * 1024
"""Bytes that their paths, names and types have in JSON, all together: whoever asks for the list is
sent all of them.
"""


@dataclass(frozen=True)
class _Named:
    id: str
    path: str
    name: str
    type: str

    @cached_property
    def size(self) -> int:
        return len(dump([self.path, self.name, self.type]))


class Sessions:
    """The REST sessions of one kernel; ``kernel`` returns the kernel's model as it is now."""

    def __init__(self, kernel_id: str, kernel: Callable[[], Kernel]) -> None:
        self._kernel_id = kernel_id
        self._kernel = kernel
        own = _Named(
            str(uuid.uuid5(uuid.NAMESPACE_URL, f"w2z-session:{kernel_id}")),
            path=kernel_id,
            name=kernel_id,
            type="console",
        )
        self._sessions = {own.id: own}

    def list(self) -> list[Session]:
        """Return all REST sessions, the kernel's own first."""
        kernel = self._kernel()
        return [_model(session, kernel) for session in self._sessions.values()]

    def get(self, session_id: str) -> Session:
        """Return one REST session; raises :class:`~w2z.errors.HttpError` (404)."""
        return _model(self._find(session_id), self._kernel())

    def create(self, new: NewSession) -> Session:
        """Make a REST session, or return the one that has the same path already.

        It is the one kernel's, whatever kernel is asked for: the id may be that of a kernel that
        was here before. Raises :class:`~w2z.errors.HttpError`: 503 for too many or for names that
        are too long together.
        """
        for session in self._sessions.values():
            if session.path == new.path:
                return _model(session, self._kernel())
        if len(self._sessions) >= MAX_SESSIONS:
            raise HttpError(503, f"there are {MAX_SESSIONS} sessions already: delete some")
        return self._keep(_Named(str(uuid.uuid4()), new.path, new.name or "", new.type))

    def change(self, session_id: str, changes: ChangedSession) -> Session:
        """Change a REST session's name, path or type.

        Raises :class:`~w2z.errors.HttpError`: 404 for an unknown session or another kernel's id,
        400 where nothing is to change, 503 for names that are too long together.
        """
        session = self._find(session_id)
        self._check(changes.kernel)
        if changes.is_empty:
            raise HttpError(400, "nothing to change: give path, name, type or kernel")
        given = changes.model_dump(exclude={"kernel", "notebook"}, exclude_none=True)
        return self._keep(replace(session, **given))

    def delete(self, session_id: str) -> None:
        """Forget a REST session, unless it is the kernel's own.

        Raises :class:`~w2z.errors.HttpError` (404).
        """
        session = self._find(session_id)
        if session.id != next(iter(self._sessions)):
            del self._sessions[session.id]

    def clear(self) -> None:
        """Forget all REST sessions but the kernel's own."""
        own = next(iter(self._sessions))
        self._sessions = {own: self._sessions[own]}

    def _find(self, session_id: str) -> _Named:
        session = self._sessions.get(session_id)
        if session is None:
            raise HttpError(404, f"Session not found: session_id={shown(session_id)!r}")
        return session

    def _check(self, kernel: KernelReference | None) -> None:
        if kernel is not None and kernel.id not in (None, self._kernel_id):
            raise HttpError(404, f"Kernel does not exist: {shown(kernel.id or '')}")

    def _keep(self, session: _Named) -> Session:
        others = sum(one.size for one in self._sessions.values() if one.id != session.id)
        if others + session.size > MAX_NAME_BYTES:
            raise HttpError(503, "the names of all sessions are too long: delete some")
        self._sessions[session.id] = session
        return _model(session, self._kernel())


def _model(session: _Named, kernel: Kernel) -> Session:
    notebook = None
    if session.type == "notebook":
        notebook = Notebook(path=session.path, name=session.name)
    return Session(
        id=session.id,
        path=session.path,
        name=session.name,
        type=session.type,
        kernel=kernel,
        notebook=notebook,
    )

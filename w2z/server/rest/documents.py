"""REST sessions: the documents that frontends have connected to the one kernel.

A REST session is only a record in memory; the kernel does not depend on it. The kernel has one of
its own from the start, because some frontends look for running kernels nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from w2z.errors import HttpError
from w2z.server.rest.models import (
    ChangedSession,
    Kernel,
    KernelReference,
    NewSession,
    Notebook,
    Session,
)

MAX_SESSIONS = 1024
"""REST sessions kept; a frontend makes one for each open document."""


@dataclass(frozen=True)
class _Named:
    id: str
    path: str
    name: str
    type: str


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
        return [self._model(session) for session in self._sessions.values()]

    def get(self, session_id: str) -> Session:
        """Return one REST session; raises :class:`~w2z.errors.HttpError` (404)."""
        return self._model(self._find(session_id))

    def create(self, new: NewSession) -> Session:
        """Make a REST session, or return the one that has the same path already.

        Raises :class:`~w2z.errors.HttpError`: 404 for another kernel's id, 503 for too many.
        """
        self._check(new.kernel)
        for session in self._sessions.values():
            if session.path == new.path:
                return self._model(session)
        if len(self._sessions) >= MAX_SESSIONS:
            raise HttpError(503, f"there are {MAX_SESSIONS} sessions already: delete some")
        session = _Named(str(uuid.uuid4()), new.path, new.name or "", new.type)
        self._sessions[session.id] = session
        return self._model(session)

    def change(self, session_id: str, changes: ChangedSession) -> Session:
        """Change a REST session's name, path or type.

        Raises :class:`~w2z.errors.HttpError`: 404 for an unknown session or another kernel's id.
        """
        session = self._find(session_id)
        self._check(changes.kernel)
        given = changes.model_dump(exclude={"kernel"}, exclude_none=True)
        session = replace(session, **given)
        self._sessions[session.id] = session
        return self._model(session)

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
            raise HttpError(404, f"Session not found: session_id={session_id!r}")
        return session

    def _check(self, kernel: KernelReference | None) -> None:
        if kernel is not None and kernel.id not in (None, self._kernel_id):
            raise HttpError(404, f"Kernel does not exist: {kernel.id}")

    def _model(self, session: _Named) -> Session:
        notebook = None
        if session.type == "notebook":
            notebook = Notebook(path=session.path, name=session.name)
        return Session(
            id=session.id,
            path=session.path,
            name=session.name,
            type=session.type,
            kernel=self._kernel(),
            notebook=notebook,
        )

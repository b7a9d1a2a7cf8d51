"""What a client sends to the kernel: whether it goes there, and what is remembered of it.

:func:`to_kernel` decides and returns the rest of the work as a :class:`Forward`; nothing is
remembered of a request that no socket has taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from w2z.delivery.session import Session
from w2z.errors import NotAllowed
from w2z.message import Channel, Request


@dataclass(frozen=True, slots=True)
class Forward:
    """A request to send to the kernel; call :meth:`done` when its socket has taken it."""

    _request: Request
    _session: Session[Any] | None = None
    _digest: int | None = None

    def done(self) -> None:
        """The kernel has it: remember what it has to be remembered for."""
        session = self._session
        if session is None:
            return
        if self._digest is not None:
            session.forwarded.note(self._digest)
        if self._request.message.channel is Channel.STDIN:
            session.question.end()


def to_kernel(request: Request, session: Session[Any] | None) -> Forward | None:
    """Decide on what a client of the session sends; ``None``: it has had its turn.

    Raises :class:`~w2z.errors.NotAllowed` for what no client may send. Without a session nothing
    is remembered.
    """
    if request.message.channel is Channel.IOPUB:
        raise NotAllowed("iopub carries messages from the kernel only")
    if session is None or not session.resumable:
        return Forward(request, session)
    digest = hash(request.message)
    if session.forwarded.is_repeat(digest):
        session.counters.repeats += 1
        return None
    return Forward(request, session, digest)

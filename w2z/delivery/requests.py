"""What a client sends to the kernel: whether it goes there, and what is remembered of it.

:func:`to_kernel` decides and returns the rest of the work, a :class:`Forward` or a
:class:`~w2z.delivery.repeats.Repeat`. Nothing is remembered of a request that no socket has taken.
One that a socket has taken, if only to keep it for a kernel that is busy, is the kernel's: it is
answered by the kernel, or it is lost with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2z.delivery.journal import Journal
from w2z.delivery.pending import Sent
from w2z.delivery.repeats import Repeat, repeat_of
from w2z.delivery.session import Session
from w2z.errors import NotAllowed
from w2z.message import Channel, Message, Request


@dataclass(frozen=True, slots=True)
class Forward:
    """A request to send to the kernel; call :meth:`done` when its socket has taken it."""

    _request: Request
    _session: Session[Any] | None
    _position: int
    _digest: int | None = None

    def done(self) -> None:
        """The kernel has it: remember what it has to be remembered for."""
        session = self._session
        if session is None:
            return
        sent = Sent(self._position)
        session.pending.note(self._request, sent)
        if self._digest is not None:
            session.forwarded.note(self._digest, sent)
        if self._request.message.channel is Channel.STDIN:
            session.question.end()


def to_kernel(request: Request, session: Session[Any] | None, journal: Journal) -> Forward | Repeat:
    """Decide on what a client of the session sends; without a session nothing is remembered.

    Raises :class:`~w2z.errors.NotAllowed` for what no client may send.
    """
    if request.message.channel is Channel.IOPUB:
        raise NotAllowed("iopub carries messages from the kernel only")
    if session is None or not session.resumable:
        return Forward(request, session, journal.end)
    digest = hash(request.message)
    sent = session.forwarded.find(digest)
    if sent is None:
        return Forward(request, session, journal.end, digest)
    session.counters.repeats += 1
    return repeat_of(sent, request, session.session_id, session.acked, journal)


def hear(messages: Sequence[Message], session: Session[Any], position: int) -> None:
    """Take note of what the kernel says to the session, to be read at ``position``."""
    session.question.hear(position, messages)
    session.pending.hear(position, messages)


def give_up(session: Session[Any], position: int) -> list[Request]:
    """Return what the kernel cannot answer any more, in order; it waits for no answer either.

    Answer them: that will be in the journal from ``position`` on.
    """
    session.question.end()
    return session.pending.give_up(position)

"""Which of a client's requests go to the kernel, and what is remembered of them.

:func:`to_kernel` decides, and returns the work left to the caller: a :class:`Forward` or a
:class:`~w2z.delivery.repeats.Repeat`. Nothing is remembered of a request before a socket has taken
it. From then on the kernel has the request, even if the socket only keeps it for a busy kernel:
the kernel answers the request, or the request is lost with the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from w2z.delivery.journal import Journal
from w2z.delivery.pending import Sent
from w2z.delivery.repeats import Repeat, repeat_of
from w2z.delivery.session import Session
from w2z.message import Channel, Message, Request


@dataclass(slots=True)
class Forward:
    """A request to send to the kernel. Call :meth:`done` when the socket has taken it."""

    _request: Request
    _session: Session[Any] | None
    _position: int
    _digest: int | None = None

    def done(self) -> None:
        """Remember the request as pending and as forwarded: the kernel has it.

        A message on stdin ends the session's question.
        """
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
    """Decide whether a request of the session's client is forwarded or is a repeat.

    Without a session nothing is remembered.
    """
    if session is None or not session.resumable:
        return Forward(request, session, journal.end)
    digest = hash(request.message)
    sent = session.forwarded.find(digest)
    if sent is None:
        return Forward(request, session, journal.end, digest)
    session.counters.repeats += 1
    return repeat_of(sent, request, session.session_id, session.acked, journal)


def hear(messages: Sequence[Message], session: Session[Any], position: int) -> None:
    """Take note of the kernel's messages to the session, which are read at ``position``."""
    session.question.hear(position, messages)
    session.pending.hear(position, messages)


def give_up(session: Session[Any], position: int) -> list[Request]:
    """Return the pending requests, in order, and forget the session's question.

    The kernel cannot answer them any more. The caller does; its answers are in the journal from
    ``position`` on.
    """
    session.question.end()
    return session.pending.give_up(position)

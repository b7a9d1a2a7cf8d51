"""Requests that are sent again: one kernel executes none of them twice, and each gets an answer.

A client that reconnects may send requests again that it does not know to have arrived; a script
may send the same bytes whenever it runs. The rules:

- A request is a *repeat* when an earlier connection of its session forwarded the same message
  (channel, parts and buffers) to the same kernel. Within one connection no request is a repeat:
  some clients use one msg_id for everything. A kernel's requests are forgotten with it.
- A repeat is not forwarded. What its client gets depends on the answer to the first request:

  1. If there is no answer yet, or never one (comm messages, ``input_reply``), the client gets
     nothing now. An answer will come by itself.
  2. If the answer was not acknowledged, the client gets nothing more: its session reads the answer
     from the journal.
  3. If the answer was acknowledged, perhaps by a client that ended before it could use the answer,
     and the journal has everything since the request in memory, the client gets the answer once
     more: every message with the request as its parent, except questions.
  4. Otherwise w2z tells the client that the request is not executed again.
"""

from __future__ import annotations

from typing import NamedTuple

from w2z.delivery.journal import Journal
from w2z.delivery.pending import Sent
from w2z.message import Channel, Message, Request
from w2z.wire.json import parse_small_object

REMEMBERED = 512
"""How many requests of a session's present client are remembered, the latest, and how many of its
earlier clients: clients repeat unfinished ones.
"""

SENT_COST = 150
"""Bytes that a remembered request takes."""


class Repeat(NamedTuple):
    """A request not to forward.

    Send its client the ``answer``, which may be empty. If the answer ``is_gone``, tell the client
    that the request is not executed again.
    """

    answer: list[Message]
    is_gone: bool


class Forwarded:
    """The requests of one session that this kernel was sent, by the hash of their messages."""

    def __init__(self) -> None:
        self._before: dict[int, Sent] = {}
        self._now: dict[int, Sent] = {}

    def __len__(self) -> int:
        return len(self._before) + len(self._now)

    def next_connection(self) -> None:
        """Count the requests forwarded until now as an earlier connection's."""
        self._before.update(self._now)
        self._now.clear()
        _shorten(self._before)

    def find(self, digest: int) -> Sent | None:
        """Return what is known of the request that this one repeats, or ``None``."""
        return self._before.get(digest)

    def note(self, digest: int, sent: Sent) -> None:
        """Remember a request that was forwarded."""
        self._now[digest] = sent
        _shorten(self._now)

    def forget(self) -> None:
        """Forget all requests: the next kernel has none of them."""
        self._before.clear()
        self._now.clear()


def repeat_of(
    sent: Sent, request: Request, session_id: str, acked: int, journal: Journal
) -> Repeat:
    """Decide what the client gets for a repeat of ``sent``.

    The session has acknowledged everything before ``acked``.
    """
    if sent.answered_at is None or sent.answered_at >= acked:
        return Repeat([], is_gone=False)
    answer = _answer(sent, request, session_id, journal)
    return Repeat(answer, is_gone=not answer)


def _answer(sent: Sent, request: Request, session_id: str, journal: Journal) -> list[Message]:
    """Collect the answer from the journal, each message once.

    The journal has a message twice if the answer was sent again before.
    """
    found: dict[bytes, Message] = {}
    is_child: dict[bytes, bool] = {}
    for batch in journal.in_memory(sent.at):
        for message in batch.messages if batch.is_for(session_id) else ():
            if message.channel is Channel.STDIN:
                continue
            parent = message.parent_header
            if parent not in is_child:
                is_child[parent] = _msg_id(parent) == request.msg_id
            if is_child[parent]:
                found.setdefault(message.header, message)
    return list(found.values())


def _msg_id(parent: bytes) -> object:
    try:
        return parse_small_object(parent, "parent_header").get("msg_id")
    except ValueError:
        return None


def _shorten(requests: dict[int, Sent]) -> None:
    while len(requests) > REMEMBERED:
        del requests[next(iter(requests))]

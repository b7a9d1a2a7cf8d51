"""Requests that are sent again: none is executed twice by one kernel, and none meets silence.

A client that comes back may send again what it does not know to have arrived; a script may send
the same bytes whenever it runs. The rules:

- A request is a *repeat* when an earlier connection of its session forwarded the same to the same
  kernel: channel, parts and buffers. Within one connection nothing is: some clients use one msg_id
  for everything. What another kernel was sent is forgotten with it.
- A repeat is not forwarded. Its client is owed the answer that the request got:

  1. There is none yet, or there never is one (comm messages, ``input_reply``): nothing is said.
     It will come.
  2. It has not been acknowledged: nothing is said. It came when the session was taken up, or comes.
  3. It was acknowledged, perhaps by a client that did not live to use it: it is sent again, all
     that was said with the request as its parent, questions apart, if the journal has everything
     since then in memory.
  4. Otherwise the client is told that the request is not executed again.
"""

from __future__ import annotations

from typing import NamedTuple

from w2z.delivery.journal import Journal
from w2z.delivery.pending import Sent
from w2z.message import Channel, Message, Request
from w2z.wire.json import parse_object

REMEMBERED = 4096
"""Requests remembered for each session, the latest: clients repeat what was under way."""


class Repeat(NamedTuple):
    """A request not to forward. Send its client the ``answer``, if there is any to send; where that
    ``is_gone``, tell it that the request is not executed again.
    """

    answer: list[Message]
    is_gone: bool


class Forwarded:
    """The requests that the kernel has or had of one session, by the hash of their messages."""

    def __init__(self) -> None:
        self._before: dict[int, Sent] = {}
        self._now: dict[int, Sent] = {}

    def next_connection(self) -> None:
        """What was forwarded until now may be sent again."""
        self._before.update(self._now)
        self._now.clear()
        _shorten(self._before)

    def find(self, digest: int) -> Sent | None:
        """The request that an earlier connection forwarded, of which this is a repeat."""
        return self._before.get(digest)

    def note(self, digest: int, sent: Sent) -> None:
        """It was forwarded."""
        self._now[digest] = sent
        _shorten(self._now)

    def forget(self) -> None:
        """The kernel is another one, which has none of them."""
        self._before.clear()
        self._now.clear()


def repeat_of(
    sent: Sent, request: Request, session_id: str, acked: int, journal: Journal
) -> Repeat:
    """What to do about a repeat of ``sent`` by a session that has acknowledged all before
    ``acked``.
    """
    if sent.answered_at is None or sent.answered_at >= acked:
        return Repeat([], is_gone=False)
    answer = _answer(sent, request, session_id, journal)
    return Repeat(answer, is_gone=not answer)


def _answer(sent: Sent, request: Request, session_id: str, journal: Journal) -> list[Message]:
    """What was said in answer, once each: it may have been sent again before."""
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
        return parse_object(parent, "parent_header").get("msg_id")
    except ValueError:
        return None


def _shorten(requests: dict[int, Sent]) -> None:
    while len(requests) > REMEMBERED:
        del requests[next(iter(requests))]

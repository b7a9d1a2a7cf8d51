"""The question that a kernel waits for an answer to: one session's unanswered ``input_request``.

Rules:

- A session has one question at most, the latest: a kernel that asks again gave up the one before.
- The question ends when a client answers on stdin, when the kernel replies on shell (the code that
  asked has ended), or when the kernel or the connection to it is gone.
- A question of more than :data:`MAX_QUESTION` bytes is not kept.
- A client that resumes the session gets the question again if it was acknowledged: once, after
  everything that the session reads from the journal. A question that was not acknowledged comes
  with the journal.
"""

from __future__ import annotations

from collections.abc import Sequence

from w2z.message import Channel, Message, size_of
from w2z.wire.json import parse_small_object

MAX_QUESTION = 2**16
"""Bytes of a question that can be asked again: far more than a prompt has. No limit counts it."""


class Question:
    """The question of one session, if there is one."""

    def __init__(self) -> None:
        self._asked: tuple[int, Message] | None = None
        """The message and its position in the journal."""
        self._is_due = False

    def hear(self, position: int, messages: Sequence[Message]) -> None:
        """Take note of the kernel's messages to the session, which are read at ``position``."""
        for message in messages:
            if message.channel is Channel.SHELL:
                self._asked = None
            elif message.channel is Channel.STDIN and _is_input_request(message):
                is_small = size_of([message]) <= MAX_QUESTION
                self._asked = (position, message) if is_small else None
                self._is_due = False

    def end(self) -> None:
        """Forget the question: the kernel has its answer, or does not wait for one any more."""
        self._asked = None
        self._is_due = False

    def next_connection(self, acked: int) -> None:
        """Another client resumes the session and reads the journal from ``acked`` on.

        A question before that position is due to be asked again.
        """
        self._is_due = self._asked is not None and self._asked[0] < acked

    def ask_again(self) -> list[Message]:
        """Return the question if it is due, else nothing; call it when the journal is read."""
        again = [self._asked[1]] if self._asked is not None and self._is_due else []
        self._is_due = False
        return again


def _is_input_request(message: Message) -> bool:
    try:
        return parse_small_object(message.header, "header").get("msg_type") == "input_request"
    except ValueError:
        return False

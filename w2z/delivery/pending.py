"""The requests of one session that its kernel has and has not answered.

Rules:

- Only what a kernel replies to is remembered: a ``*_request`` on shell or control. The others,
  ``input_reply`` and comm messages among them, would be for ever.
- A message of the kernel on the request's channel whose parent is the request answers it. Where
  several have one msg_id, that is the oldest of them.
- No more than :data:`MAX_PENDING` are remembered, with headers of :data:`MAX_PENDING_BYTES`
  together. Beyond that the oldest is forgotten: its client is not told when the kernel is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from w2z.message import Channel, Message, Request
from w2z.wire.json import parse_object

MAX_PENDING = 1024
"""Far more than wait at once: those that a kernel never answers, of types it does not know."""

MAX_PENDING_BYTES = 2**20

_CHANNELS = (Channel.SHELL, Channel.CONTROL)


@dataclass(slots=True)
class Sent:
    """A request that the kernel has, as far as its answer goes: positions in the journal."""

    at: int
    """All that was said in answer is here or behind."""
    answered_at: int | None = None
    """Where its reply is."""


class Pending:
    """The requests, in the order in which the kernel got them."""

    def __init__(self) -> None:
        self._requests: dict[int, tuple[Request, Sent]] = {}
        self._size = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._requests)

    def note(self, request: Request, sent: Sent) -> None:
        """The kernel got the request; ``sent`` is told when it is answered."""
        if not request.msg_type.endswith("_request") or request.message.channel not in _CHANNELS:
            return
        kept = _without_content(request)
        self._number += 1
        self._requests[self._number] = kept, sent
        self._size += _size_of(kept)
        while len(self._requests) > MAX_PENDING or self._size > MAX_PENDING_BYTES:
            self._take(next(iter(self._requests)))

    def hear(self, position: int, messages: Sequence[Message]) -> None:
        """Take note of what the kernel says to the session, to be read at ``position``."""
        for message in messages:
            if self._requests and message.channel in _CHANNELS:
                self._answer(position, message)

    def give_up(self, position: int) -> list[Request]:
        """Forget all of them: they are answered at ``position`` by whoever calls this.

        Of their messages only the header is left, and of a ``shutdown_request`` its content.
        """
        given_up = [self._take(number) for number in list(self._requests)]
        for _, sent in given_up:
            sent.answered_at = position
        return [request for request, _ in given_up]

    def _answer(self, position: int, reply: Message) -> None:
        try:
            msg_id = parse_object(reply.parent_header, "parent_header").get("msg_id")
        except ValueError:
            return
        for number, (request, sent) in self._requests.items():
            if request.msg_id == msg_id and request.message.channel is reply.channel:
                sent.answered_at = position
                self._take(number)
                return

    def _take(self, number: int) -> tuple[Request, Sent]:
        taken = self._requests.pop(number)
        self._size -= _size_of(taken[0])
        return taken


def _without_content(request: Request) -> Request:
    message = request.message
    # Its content says what an answer has to repeat.
    content = message.content if request.msg_type == "shutdown_request" else b"{}"
    return request._replace(message=Message(message.channel, message.header, b"{}", b"{}", content))


def _size_of(request: Request) -> int:
    return len(request.message.header) + len(request.message.content)

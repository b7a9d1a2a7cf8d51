"""The requests of one session that the kernel has and has not answered.

Rules:

- Only requests that a kernel replies to are remembered: a ``*_request`` on shell or control.
  Other messages (``input_reply``, comm messages) would stay pending for ever.
- A kernel's message answers a request if it comes on the request's channel and its parent_header
  has the request's msg_id. If several requests have that msg_id, it answers the oldest of them.
- At most :data:`MAX_PENDING` are remembered, and :data:`MAX_PENDING_BYTES` of their headers and
  contents. Beyond that the oldest is forgotten: if it is lost, its client gets no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from w2z.message import Channel, Message, Request
from w2z.wire.json import parse_small_object

MAX_PENDING = 1024
"""Most pending requests of a session: far more than wait at once. Requests of a type that the
kernel does not know are never answered, and so stay.
"""

MAX_PENDING_BYTES = 2**20

_CHANNELS = (Channel.SHELL, Channel.CONTROL)


@dataclass(slots=True)
class Sent:
    """Where the answer to a forwarded request is, as positions in the journal."""

    at: int
    """Where the journal ended when the request was sent: every answer is here or later."""
    answered_at: int | None = None
    """The position of the reply; ``None`` while there is none."""


class Pending:
    """The pending requests of one session, in the order in which the kernel got them."""

    def __init__(self) -> None:
        self._requests: dict[int, tuple[Request, Sent]] = {}
        self._size = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._requests)

    def note(self, request: Request, sent: Sent) -> None:
        """Remember a request that the kernel got; ``sent.answered_at`` is set when it replies."""
        if not request.msg_type.endswith("_request") or request.message.channel not in _CHANNELS:
            return
        kept = _without_content(request)
        self._number += 1
        self._requests[self._number] = kept, sent
        self._size += _size_of(kept)
        while len(self._requests) > MAX_PENDING or self._size > MAX_PENDING_BYTES:
            self._take(next(iter(self._requests)))

    def hear(self, position: int, messages: Sequence[Message]) -> None:
        """Take note of the kernel's messages to the session, which are read at ``position``."""
        for message in messages:
            if self._requests and message.channel in _CHANNELS:
                self._answer(position, message)

    def give_up(self, position: int) -> list[Request]:
        """Forget all requests and return them; the caller answers them at ``position``.

        Of their messages only the channel and header are left, and the content of a
        ``shutdown_request``.
        """
        given_up = [self._take(number) for number in list(self._requests)]
        for _, sent in given_up:
            sent.answered_at = position
        return [request for request, _ in given_up]

    def _answer(self, position: int, reply: Message) -> None:
        try:
            msg_id = parse_small_object(reply.parent_header, "parent_header").get("msg_id")
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
    # The answer to a shutdown_request has to repeat the field `restart` of its content.
    content = message.content if request.msg_type == "shutdown_request" else b"{}"
    kept = Message(message.channel, message.header, b"{}", b"{}", content)
    return Request(kept, request.msg_type, request.msg_id)


def _size_of(request: Request) -> int:
    return len(request.message.header) + len(request.message.content)

"""The requests under way: what has to be sent again, and what has to be answered if it is lost.

A request is *written* when a connection took it, *taken* when w2z has proved that it received it
(by the pong of a ping that was sent behind it), *begun* when the kernel said so: by *busy*, output
or a reply. It is over when its reply and its *idle* have come.

The rules:

- On a resumed session each written request that has not begun is written again, the same message,
  before all that waits. w2z hands none on twice: it remembers the latest 512 requests of a session
  (``docs/delivery.md``). So one that more than :data:`MOST_FOLLOWED` others followed is not written
  again. It was taken: w2z has to prove that it has what was written before more is.
- If another kernel has been started meanwhile, what was taken is w2z's to answer, and what was not
  is answered here, with an error: its first copy may have run in the kernel before.
- On a new session nothing is known of what was written: it is answered here with an error, and
  never written again. What was not written yet goes to the new session.
- An answer to a question (``input_reply``) has no reply of its own. It is over when its request
  gets a reply, asks again, or is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from w2z.message import Channel, Message, Request, size_of
from w2z.wire.authored import failure
from w2z.wire.heads import Head, execution_state

MOST_FOLLOWED = 480
"""Requests that may follow one which is written again: fewer than the 512 that w2z remembers."""

MOST_UNPROVEN = 200
"""Written requests that w2z has not proved to have received; more wait."""

MOST_WAITING = 1024
"""Messages that wait to be written."""

MOST_UNSENT_BYTES = 32 * 2**20
"""Bytes of the messages that wait or are not proved. One larger message is taken alone."""

MOST_KEPT_BYTES = 64 * 2**20
"""Bytes of requests that are kept to be written again; of more, the oldest that w2z has are not."""

MOST_GIVEN_UP = 256
"""Ids of requests that were answered here, for replies that come after all."""

MOST_UNDER_WAY = 4096
"""Requests that are tracked; of more, the oldest are forgotten. Kernels leave some unanswered."""


class Lost(NamedTuple):
    """Why requests are lost: the name and the text of the error that answers them."""

    name: str
    value: str


@dataclass(slots=True)
class _UnderWay:
    """One message to the kernel that is tracked."""

    msg_id: str
    msg_type: str
    answers: str
    """The id of the request that an ``input_reply`` answers; empty for others."""
    slim: Message
    """The message without metadata, content and buffers."""
    message: Message | None
    """What is written again; ``None`` when it never will be."""
    size: int
    number: int = 0
    """Its place in the order in which messages were first written; 0: it was not."""
    is_taken: bool = False
    has_begun: bool = False
    has_reply: bool = False
    is_idle: bool = False


class Unsettled:
    """The messages that wait to be written, and those that are under way.

    ``new_header`` makes the header of an own message of the type that it is given.
    """

    def __init__(self, new_header: Callable[[str], bytes]) -> None:
        self._new_header = new_header
        self._waiting: deque[_UnderWay | Message] = deque()
        self._waiting_bytes = 0
        self._under_way: dict[str, _UnderWay] = {}
        self._kept: deque[_UnderWay] = deque()
        """What was written, in order, and may have to be written again."""
        self._kept_bytes = 0
        self._numbers = 0
        self._out: deque[_UnderWay] = deque()
        """What the present connection took, in order, and w2z has not proved to have."""
        self._out_bytes = 0
        self._pings = 0
        self._asked = 0
        """How many of :attr:`_out` were written before the ping that is not answered; 0: none."""
        self._question = ""
        """The id of the request that asked last."""
        self._replies: dict[str, _UnderWay] = {}
        """The latest ``input_reply`` for each request that asked."""
        self._given_up: dict[str, None] = {}

    # To w2z.

    @property
    def has_room(self) -> bool:
        """Whether :meth:`add` may be called."""
        unsent = self._waiting_bytes + self._out_bytes
        return len(self._waiting) < MOST_WAITING and unsent < MOST_UNSENT_BYTES

    def add(self, message: Message, head: Head) -> None:
        """Let a message wait to be written. A heartbeat is written once at most."""
        if message.channel is Channel.HB:
            self._waiting.append(message)
            return
        is_answer = message.channel is Channel.STDIN
        one = _UnderWay(
            head.msg_id,
            head.msg_type,
            (head.parent_id or self._question) if is_answer else "",
            message._replace(metadata=b"{}", content=b"{}", buffers=()),
            message,
            size_of([message]),
        )
        # A client may use an id again: the message before is written, but not written again.
        self._forget(head.msg_id)
        self._under_way[one.msg_id] = one
        if one.answers:
            self._replies[one.answers] = one
        self._waiting.append(one)
        self._waiting_bytes += one.size
        while len(self._under_way) > MOST_UNDER_WAY:
            self._forget(next(iter(self._under_way)))

    def next_to_write(self) -> Message | None:
        """Return the message to write now, if one waits and may be written."""
        if not self._waiting or len(self._out) >= MOST_UNPROVEN:
            return None
        one = self._waiting.popleft()
        if isinstance(one, Message):
            return one
        self._waiting_bytes -= one.size
        message = one.message
        if message is None:  # it is over: its request got its reply without it
            return self.next_to_write()
        if not one.number:
            self._numbers += 1
            one.number = self._numbers
            self._kept.append(one)
            self._kept_bytes += one.size
        self._out.append(one)
        self._out_bytes += one.size
        self._shed()
        return message

    @property
    def owes_ping(self) -> bool:
        """Whether w2z has to be asked what it has: something was written since it was."""
        return not self._asked and bool(self._out)

    def asked(self) -> bytes:
        """Return the payload of a ping to write behind all that was written."""
        self._asked = len(self._out)
        self._pings += 1
        return b"%d" % self._pings

    def pong(self, data: bytes) -> None:
        """Take note of a pong: w2z has everything that was written before its ping."""
        if not self._asked or data != b"%d" % self._pings:
            return
        for _ in range(self._asked):
            one = self._out.popleft()
            self._out_bytes -= one.size
            one.is_taken = True
        self._asked = 0
        self._shed()

    # From w2z.

    def hear(self, message: Message, head: Head) -> bool:
        """Take note of a message of w2z. Returns whether to hand it on: a reply to a request that
        was given up is not.
        """
        parent = head.parent_id
        is_reply = message.channel in (Channel.SHELL, Channel.CONTROL)
        is_question = message.channel is Channel.STDIN
        if is_question:
            self._question = parent
        if (is_reply or is_question) and parent in self._replies:
            self._forget(self._replies[parent].msg_id)
        one = self._under_way.get(parent)
        if one is None:
            return not (is_reply and parent in self._given_up)
        self._release(one)
        one.has_begun = True
        if is_reply:
            one.has_reply = True
        elif head.msg_type == "status" and execution_state(message.content) == "idle":
            one.is_idle = True
        if one.is_idle and (one.has_reply or not one.msg_type.endswith("_request")):
            self._forget(parent)
        return True

    # Connections.

    def cut(self) -> None:
        """Take note that the connection is lost. Heartbeats that wait are of no use any more, and
        what waited to be written again does so on the next connection, if at all.
        """
        waiting = [one for one in self._waiting if isinstance(one, _UnderWay) and not one.number]
        self._waiting = deque(waiting)
        self._waiting_bytes = sum(one.size for one in waiting)
        self._out.clear()
        self._out_bytes = self._asked = 0

    def resumed(self, lost: Lost | None) -> list[Message]:
        """Let what may not have arrived wait again, before all else.

        With ``lost`` another kernel has been started meanwhile. Then what w2z has not proved to
        have is given up, and the rest is left to w2z for good. Returns the answers.
        """
        again = [one for one in self._kept if one.message is not None]
        if lost is not None:
            answers = self._give_up([one for one in again if not one.is_taken], lost)
            for one in again:
                self._release(one)
            return answers
        self._waiting.extendleft(reversed(again))
        self._waiting_bytes += sum(one.size for one in again)
        return []

    def renewed(self, lost: Lost) -> list[Message]:
        """Give up all that was written: the session knows nothing of it. Returns the answers."""
        self._question = ""
        return self._give_up([one for one in self._under_way.values() if one.number], lost)

    def refused(self, lost: Lost) -> list[Message]:
        """Give up what w2z may have refused when it closed the connection for a message of ours:
        what it has not proved to have. Call this before :meth:`cut`. Returns the answers.
        """
        return self._give_up([one for one in self._out if one.message is not None], lost)

    def _give_up(self, gone: list[_UnderWay], lost: Lost) -> list[Message]:
        answers: list[Message] = []
        for one in gone:
            self._forget(one.msg_id)
            self._given_up[one.msg_id] = None
            if len(self._given_up) > MOST_GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]
            answers += self._answer(one, lost)
        return answers

    def _answer(self, one: _UnderWay, lost: Lost) -> list[Message]:
        """Return what a lost request lacks: its error and its reply, and *idle*."""
        if one.answers:
            return []
        request = Request(one.slim, one.msg_type, one.msg_id)
        *told, idle = failure(request, lost.name, lost.value, self._new_header)
        if one.has_reply or not one.msg_type.endswith("_request"):
            told = []
        return told[-1:] if one.is_idle else [*told, idle]

    # Memory.

    def _forget(self, msg_id: str) -> None:
        one = self._under_way.pop(msg_id, None)
        if one is not None:
            self._release(one)
            if self._replies.get(one.answers) is one:
                del self._replies[one.answers]

    def _release(self, one: _UnderWay) -> None:
        """Let go what would be written again."""
        if one.message is not None and one.number:
            self._kept_bytes -= one.size
        one.message = None

    def _shed(self) -> None:
        """Keep to the limits: what many requests followed is not written again."""
        while self._kept:
            one = self._kept[0]
            is_old = one.number + MOST_FOLLOWED <= self._numbers
            is_much = self._kept_bytes > MOST_KEPT_BYTES and one.is_taken
            if one.message is not None and not is_old and not is_much:
                return
            self._kept.popleft()
            self._release(one)

"""What one session with a w2z owes and is owed, over all its connections; no I/O.

A :class:`Link` is told what is sent, what comes, and when connections open and end. It says what to
write, what to hand on, and which answers to give in w2z's place. So each message is handed on once
and in order, and each request runs once at most, whatever the network does.
:mod:`~w2z.client.repeats` and :mod:`~w2z.client.unsettled` have the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from w2z.client.repeats import Repeats
from w2z.client.unsettled import Lost, Unsettled
from w2z.errors import CloseCode
from w2z.message import Channel, Message
from w2z.wire.heads import HeadReader

REFUSALS = frozenset(
    {
        CloseCode.PROTOCOL_ERROR,
        CloseCode.UNSUPPORTED_DATA,
        CloseCode.INVALID_DATA,
        CloseCode.POLICY_VIOLATION,
        CloseCode.MESSAGE_TOO_BIG,
    }
)
"""The close codes that mean: something in a message of ours."""

_RESTARTED = Lost(
    "SessionLost",
    "w2z was started again, or was away for too long: whether this ran is not known",
)
_ANOTHER_KERNEL = Lost(
    "KernelLost",
    "the kernel was started again while there was no connection: whether this ran is not known",
)


class Link:
    """The state of one session. ``new_header`` makes the header of an own message."""

    def __init__(self, new_header: Callable[[str], bytes]) -> None:
        self._heads = HeadReader()
        self._sent_heads = HeadReader()
        self._repeats = Repeats()
        self._unsettled = Unsettled(new_header)
        self._kernel_start: int | None = None
        self._session_start: str | None = None
        self._was_open = False

    @property
    def received(self) -> int | None:
        """The position to name when the session is resumed, if there is one."""
        return self._repeats.position

    @property
    def repeats(self) -> int:
        """How many messages came more than once, and were handed on once."""
        return self._repeats.dropped

    def knows(self, session_start: str | None) -> bool:
        """Whether a session that w2z calls resumed is the one of the connections before: w2z may
        have begun another for a connection that broke before its answer came.
        """
        return not self._was_open or session_start == self._session_start

    def opened(
        self, *, is_new: bool, session_start: str | None, kernel_start: int | None
    ) -> list[Message]:
        """Take note of an open connection; return answers to hand on before all that comes.

        ``is_new``: w2z knows nothing of the session. ``session_start`` says which session it is,
        and ``kernel_start`` which kernel is there.
        """
        self._session_start = session_start
        before, self._kernel_start = self._kernel_start, kernel_start
        self._repeats.opened(is_new=is_new)
        was_open, self._was_open = self._was_open, True
        if is_new:
            return self._unsettled.renewed(_RESTARTED) if was_open else []
        is_same = kernel_start == before or before is None or kernel_start is None
        return self._unsettled.resumed(None if is_same else _ANOTHER_KERNEL)

    def closed(self, code: int, reason: str) -> list[Message]:
        """Take note that the connection ended, with this close code; return answers to hand on."""
        answers: list[Message] = []
        if code in REFUSALS:
            is_large = code == CloseCode.MESSAGE_TOO_BIG
            name = "TooLarge" if is_large else "Refused"
            answers = self._unsettled.refused(Lost(name, f"w2z refused it: {reason}"))
        self._unsettled.cut()
        return answers

    # To w2z.

    @property
    def has_room(self) -> bool:
        """Whether :meth:`send` takes a message."""
        return self._unsettled.has_room

    def send(self, message: Message) -> None:
        """Let a message wait to be written."""
        self._unsettled.add(message, self._sent_heads.read(message))

    def next_to_write(self) -> Message | None:
        """Return the next message to write on the present connection, if there is one."""
        return self._unsettled.next_to_write()

    @property
    def owes_ping(self) -> bool:
        """Whether w2z is to be asked what has arrived."""
        return self._unsettled.owes_ping

    def asked(self) -> bytes:
        """Return the payload of the ping that asks; write it behind what was written."""
        return self._unsettled.asked()

    def pong(self, data: bytes) -> None:
        """Take note of a pong."""
        self._unsettled.pong(data)

    # From w2z.

    def ping(self, data: bytes) -> None:
        """Take note of a ping of w2z. Call this when all before it was handed on."""
        self._repeats.ping(data)

    def hear(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages to hand on, in order."""
        return [one for one in messages if self._is_news(one)]

    def _is_news(self, message: Message) -> bool:
        if message.channel is Channel.HB:
            return True
        head = self._heads.read(message)
        return not self._repeats.is_repeat(message, head) and self._unsettled.hear(message, head)

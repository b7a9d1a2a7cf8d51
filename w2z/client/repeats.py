"""Which messages of w2z have come before: on an earlier connection of the session.

w2z resumes behind what it knows to have arrived, so what was on its way when a connection broke
comes once more, with the same ``msg_id``, at the beginning of the next one
(``docs/delivery.md``). The rules:

- Only messages of *earlier* connections count. Within one connection every message is handed on:
  some kernels use an id for more than one.
- A ping comes behind everything before its position, and the next connection names that position.
  So only what came after the last ping of an earlier connection can come again. One generation more
  is kept: what came between the two last pings.
- Repeats come in their order and without a gap, but w2z may send many pings while they come. They
  are over when there were :data:`PINGS_WITHOUT` pings in a row with something new before each and
  nothing that came before.
- A question (``input_request``) that was not answered comes again whenever the session resumes.
- A gap notice that comes again has a new id. It is known by its parent and its metadata.
"""

from __future__ import annotations

from w2z.message import Channel, Message
from w2z.wire.heads import Head

MOST_IDS = 100_000
"""Ids that are remembered of earlier connections, the latest: some MB. w2z sends a ping after 16
messages where a client catches up, and every 20 ms where it does not.
"""

MOST_QUESTION_IDS = 16
"""Questions that are remembered. A session has one at a time."""

PINGS_WITHOUT = 2
"""One would do if nothing new ever came before the repeats, such as a notice about the session."""

MAX_PING_DIGITS = 20
"""Digits of a position in a ping (``docs/protocol.md``)."""

_GAP = b'"w2z_gap"'


class Repeats:
    """The ids of what has come, and the position of the last ping."""

    def __init__(self) -> None:
        self.position: int | None = None
        """The position before which all has come; ``None`` before the first ping."""
        self.dropped = 0
        """How many messages came again."""
        self._earlier: dict[str, None] = {}
        self._older: dict[str, None] = {}
        self._recent: dict[str, None] = {}
        self._has_news = self._has_repeats = False
        """What came since the last ping."""
        self._without = 0
        self._questions: dict[str, None] = {}
        self._questions_before: dict[str, None] = {}

    def opened(self, *, is_new: bool) -> None:
        """Take note of another connection; ``is_new``: of a session that knows nothing."""
        if is_new:
            self.position = None
            self._earlier, self._questions_before, self._questions = {}, {}, {}
        else:
            self._earlier.update(self._older)
            self._earlier.update(self._recent)
            _shorten(self._earlier, MOST_IDS)
            self._questions_before.update(self._questions)
            _shorten(self._questions_before, MOST_QUESTION_IDS)
        self._older, self._recent, self._without = {}, {}, 0
        self._has_news = self._has_repeats = False

    def ping(self, data: bytes) -> None:
        """Take note of a ping: everything before it was handed on."""
        if data.isdigit() and len(data) <= MAX_PING_DIGITS:
            self.position = int(data)
            self._older, self._recent = self._recent, {}
            if self._has_repeats:
                self._without = 0
            elif self._has_news:
                self._without += 1
                if self._without == PINGS_WITHOUT:
                    self._earlier = {}
            self._has_news = self._has_repeats = False

    def is_repeat(self, message: Message, head: Head) -> bool:
        """Whether the message came on an earlier connection; else remember that it came."""
        key = head.msg_id
        if _GAP in message.metadata:
            key = f"{head.parent_id} {message.metadata!r}"
        if not key:
            return False
        is_question = message.channel is Channel.STDIN
        before = self._questions_before if is_question else self._earlier
        if key in before:
            self.dropped += 1
            self._has_repeats = self._has_repeats or not is_question
            return True
        self._has_news = True
        now = self._questions if is_question else self._recent
        now[key] = None
        return False


def _shorten(ids: dict[str, None], most: int) -> None:
    while len(ids) > most:
        del ids[next(iter(ids))]

"""Which messages of w2z have come before: on an earlier connection of the session.

w2z resumes behind what it knows to have arrived, so what was on its way when a connection broke
comes once more, with the same ``msg_id``, at the beginning of the next one
(``docs/delivery.md``). The rules:

- Only messages of *earlier* connections count. Within one connection every message is handed on:
  some kernels use an id for more than one.
- A ping comes behind everything before its position, and the next connection names that position.
  So only what came after the last ping of an earlier connection can come again. One generation more
  is kept: what came between the two last pings.
- What comes again keeps its order, and comes before all news. So the first message that is news
  proves that nothing more comes again on this connection. What w2z writes itself proves nothing: it
  may come in between.
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

MAX_PING_DIGITS = 20
"""Digits of a position in a ping (``docs/protocol.md``)."""

_GAP = b'"w2z_gap"'
_BY_W2Z = b'"username":"w2z"'


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
        self._older, self._recent = {}, {}

    def ping(self, data: bytes) -> None:
        """Take note of a ping: everything before it was handed on."""
        if data.isdigit() and len(data) <= MAX_PING_DIGITS:
            self.position = int(data)
            self._older, self._recent = self._recent, {}

    def is_repeat(self, message: Message, head: Head) -> bool:
        """Whether the message came on an earlier connection; else remember that it came."""
        key = head.msg_id
        if _GAP in message.metadata:
            key = f"{head.parent_id} {message.metadata!r}"
        if not key:
            return False
        is_question = message.channel is Channel.STDIN
        before = self._questions_before if is_question else self._earlier
        now = self._questions if is_question else self._recent
        now[key] = None
        if key in before:
            self.dropped += 1
            return True
        if before and not is_question and _BY_W2Z not in message.header:
            before.clear()
        return False


def _shorten(ids: dict[str, None], most: int) -> None:
    while len(ids) > most:
        del ids[next(iter(ids))]

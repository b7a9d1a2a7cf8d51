"""The kernel's execution state, as its own messages tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from w2z.message import Message, size_of
from w2z.wire.json import dump, parse_object

_STATES = frozenset({"starting", "idle", "busy", "restarting", "terminating", "dead"})

_HEADER_FIELDS = ("msg_id", "msg_type", "username", "session", "date", "version", "subshell_id")

MAX_BUSY = 256
"""Most requests remembered as running. A kernel runs one at a time, and one for each subshell."""

MAX_STATUS = 4096
"""Bytes of a status that is kept as it is: several times what kernels send. Of a larger one the
state is kept, and of its headers the ids.
"""

MAX_READ = 2**16
"""Bytes of a part of a status that are looked into. A status with a larger part counts for nothing
here: no kernel sends one, and parsed JSON takes up to thirty times its bytes.
"""

MAX_ID = 256
"""Characters of a field of a header that are kept of a large status."""


@dataclass(frozen=True)
class Running:
    """A request that the kernel is running: its ``busy`` status, perhaps shortened, and when that
    arrived.
    """

    status: Message
    since: float
    is_in_subshell: bool


class KernelState:
    """The changing fields of the REST model of the kernel, and the requests that it is running.

    A kernel may run several requests at once (a cell, and a request on control or in a subshell),
    each with a ``busy`` and an ``idle`` of its own: the kernel is idle when the last of them has
    ended. w2z's own requests, whose header session is ``own_session``, do not count: they keep
    nobody waiting.

    Times that are reported are wall clock times; decisions use a clock that does not jump.
    """

    def __init__(self, now: datetime, own_session: str) -> None:
        self.execution_state = "starting"
        self.last_activity = now
        self.last_status: Message | None = None
        self.quiet_since = 0.0
        """When the last message arrived on iopub, on the clock that does not jump."""
        self._own_session = own_session
        self._is_marked = False
        self._is_supposed_busy = False
        self._busy_since = 0.0
        self._running: dict[object, Running] = {}
        self._unsettled: tuple[float, float] | None = None

    def observe(self, messages: Sequence[Message], wall: datetime, now: float) -> None:
        """Update the state from iopub messages that just arrived. While the state is marked, their
        statuses are ignored.
        """
        self.last_activity = wall
        self.quiet_since = now
        for message in messages:
            # Search for the bytes first: most messages are not statuses and need no parsing.
            if b'"status"' in message.header and not self._is_marked:
                self._observe_status(message, now)

    @property
    def is_busy(self) -> bool:
        """Whether the execution state is ``busy``. A mark hides that a kernel is busy."""
        return self.execution_state == "busy"

    @property
    def running(self) -> bytes:
        """The parent_header of what the cell that is running, or ran last, sends."""
        return b"{}" if self.last_status is None else self.last_status.parent_header

    def is_busy_for(self, seconds: float, now: float) -> bool:
        """Whether the kernel has been busy for at least ``seconds``."""
        return self.is_busy and now - self._busy_since >= seconds

    def suppose_busy(self) -> None:
        """Count the kernel as supposed busy. Since when is not known: unless a request is running,
        :meth:`is_busy_for` is true for any number of seconds.
        """
        if not self._running:
            self._busy_since = float("-inf")
        self._is_supposed_busy = True
        if not self._is_marked:
            self.execution_state = "busy"

    def answered(self, asked_at: float, until: float) -> None:
        """Take note that the kernel answered a request that w2z sent on shell at ``asked_at``: all
        that ran before has ended. An ``idle`` that has not arrived, over its other connection, may
        come ``until`` then; after that :meth:`to_settle` returns ``asked_at``.
        """
        self._unsettled = (until if self._begun_before(asked_at) else float("-inf"), asked_at)

    def to_settle(self, now: float) -> float | None:
        """Return the moment to call :meth:`settle` with now, if there is one, and forget it."""
        if self._unsettled is None or now < self._unsettled[0]:
            return None
        _, asked_at = self._unsettled
        self._unsettled = None
        return asked_at

    def settle(self, asked_at: float) -> list[Message]:
        """End what still counts as running or supposed busy since before ``asked_at``: the kernel
        has answered a request that w2z sent on shell then. Requests in subshells may go on.

        Returns the ``busy`` status of each request that was ended: its ``idle`` never arrived.
        """
        ended = self._begun_before(asked_at)
        for request in ended:
            del self._running[request]
        self._is_supposed_busy = False
        if not self._is_marked and self.execution_state != "idle":
            self._tell("idle", self.last_status if self.execution_state == "starting" else None)
        return [running.status for running in ended.values()]

    def _begun_before(self, moment: float) -> dict[object, Running]:
        """Return what has been running on shell itself since before ``moment``."""
        return {
            request: running
            for request, running in self._running.items()
            if running.since < moment and not running.is_in_subshell
        }

    def begin_anew(self, state: str) -> None:
        """Set the execution state to ``state`` and forget all that is running, and any mark: the
        kernel is another one now, or gone.
        """
        self._is_marked = False
        self._is_supposed_busy = False
        self._unsettled = None
        self._running.clear()
        self.execution_state = state
        self.last_status = None

    def forget(self) -> None:
        """Forget all that was running, because the kernel is gone. ``busy`` becomes ``idle``; any
        other state stays.
        """
        self._is_supposed_busy = False
        self._unsettled = None
        self._running.clear()
        if self.execution_state == "busy" and not self._is_marked:
            self.begin_anew("idle")

    def mark(self, state: str) -> None:
        """Set the execution state to ``state`` until :meth:`unmark` or :meth:`begin_anew`, whatever
        the kernel says of itself.
        """
        self.begin_anew(state)
        self._is_marked = True

    def unmark(self) -> None:
        """End a mark: the kernel's statuses count again. Until one arrives the state is ``idle``,
        or ``busy`` where the kernel is supposed busy.
        """
        if self._is_marked:
            self._is_marked = False
            self.execution_state = "busy" if self._is_supposed_busy else "idle"

    def _observe_status(self, message: Message, now: float) -> None:
        status = _read(message)
        if status is None:
            return
        state, parent, message = status
        if parent.get("session") == self._own_session and state in ("busy", "idle"):
            if state == "idle" and not (self._running or self._is_supposed_busy):
                self.last_status = message
            return
        request = _key(parent.get("msg_id"))
        if state == "busy":
            is_in_subshell = parent.get("subshell_id") is not None
            self._begin(request, Running(message, now, is_in_subshell))
        elif state == "idle":
            running = self._running.pop(request, None)
            if running is None:
                # An ``idle`` without its ``busy`` ends what the kernel is supposed busy with: only
                # one request runs on shell at a time.
                self._is_supposed_busy = False
        else:
            self._running.clear()
            self._is_supposed_busy = False
        self._tell(state, message)

    def _begin(self, request: object, running: Running) -> None:
        if not (self._running or self._is_supposed_busy):
            self._busy_since = running.since
        self._running[request] = running
        if len(self._running) > MAX_BUSY:
            del self._running[next(iter(self._running))]

    def _tell(self, state: str, message: Message | None) -> None:
        is_busy = self._running or self._is_supposed_busy
        self.execution_state = "busy" if is_busy else state
        # The status for newcomers: that of the oldest running request, else the last one.
        oldest = next(iter(self._running.values()), None)
        self.last_status = oldest.status if oldest is not None else message


def _key(msg_id: object) -> object:
    """Return what a request is known by: its msg_id, or the hash of a long one."""
    text = str(msg_id)
    return text if len(text) <= MAX_ID else hash(text)


def _read(message: Message) -> tuple[str, dict[str, Any], Message] | None:
    """Return the state that a status tells, its parent_header, and the status to keep; ``None`` for
    any other message.
    """
    if max(map(len, message[1:5])) > MAX_READ:
        return None
    try:
        header = parse_object(message.header, "header")
        state = parse_object(message.content, "content").get("execution_state")
        parent = parse_object(message.parent_header, "parent_header")
    except ValueError:
        return None
    if header.get("msg_type") != "status" or not isinstance(state, str) or state not in _STATES:
        return None
    if size_of([message]) > MAX_STATUS:
        ids, parent_ids = dump(_ids(header)), dump(_ids(parent))
        told = dump({"execution_state": state})
        message = Message(message.channel, ids, parent_ids, b"{}", told)
    return state, parent, message


def _ids(header: dict[str, Any]) -> dict[str, str]:
    """Return the fields that every header has, unless they are too long."""
    found = ((name, header.get(name)) for name in _HEADER_FIELDS)
    return {name: text for name, text in found if isinstance(text, str) and len(text) <= MAX_ID}

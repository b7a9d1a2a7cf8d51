"""What the kernel is doing, as its own messages tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from w2z.message import Message
from w2z.wire.json import parse_object

_STATES = frozenset({"starting", "idle", "busy", "restarting", "terminating", "dead"})

MAX_BUSY = 1024
"""Requests remembered as running. A kernel runs one, and one for each subshell."""


class KernelState:
    """The kernel model's changing fields, as the REST API reports them.

    A kernel may do several things at once (a cell, and a request on control or in a subshell), each
    with a ``busy`` and an ``idle`` of its own: it is idle when the last of them is. What it does
    for w2z itself, whose requests have the session ``own``, keeps nobody waiting.
    """

    def __init__(self, now: datetime, own: str) -> None:
        self.execution_state = "starting"
        self.last_activity = now
        self.last_status: Message | None = None
        self._own = own
        self._is_marked = False
        self._idle_until = now
        self._busy: dict[object, Message] = {}

    def observe(self, messages: Sequence[Message], now: datetime) -> None:
        """Take note of iopub messages that just arrived."""
        self.last_activity = now
        for message in messages:
            # A look for the bytes first: most messages are not statuses and stay unparsed.
            if b'"status"' in message.header and not self._is_marked:
                self._observe_status(message, now)

    def is_busy_for(self, seconds: float, now: datetime) -> bool:
        """Whether the kernel has been busy for so long."""
        return bool(self._busy) and (now - self._idle_until).total_seconds() >= seconds

    def begin_anew(self, state: str) -> None:
        """The kernel is another one now, or none: nothing of before is running."""
        self._is_marked = False
        self._busy.clear()
        self.execution_state = state
        self.last_status = None

    def mark(self, state: str) -> None:
        """Say this, whatever the kernel says of itself, until :meth:`unmark`."""
        self.begin_anew(state)
        self._is_marked = True

    def unmark(self) -> None:
        """The kernel speaks for itself again; it has nothing to do yet."""
        if self._is_marked:
            self.begin_anew("idle")

    def _observe_status(self, message: Message, now: datetime) -> None:
        try:
            if parse_object(message.header, "header").get("msg_type") != "status":
                return
            state = parse_object(message.content, "content").get("execution_state")
            parent = parse_object(message.parent_header, "parent_header")
        except ValueError:
            return
        if not (isinstance(state, str) and state in _STATES):
            return
        if state == "busy" and parent.get("session") == self._own:
            return
        request = str(parent.get("msg_id"))
        if not self._busy:
            self._idle_until = now
        if state == "busy":
            self._busy[request] = message
            if len(self._busy) > MAX_BUSY:
                del self._busy[next(iter(self._busy))]
        elif state == "idle":
            self._busy.pop(request, None)
        else:
            self._busy.clear()
        self.execution_state = "busy" if self._busy else state
        # What a newcomer is told: the oldest of what runs, or what was last.
        self.last_status = next(iter(self._busy.values()), message)

"""What the kernel is doing, as its own messages tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from w2z.message import Message
from w2z.wire.json import parse_object

_STATES = frozenset({"starting", "idle", "busy", "restarting", "terminating", "dead"})

MAX_BUSY = 1024
"""Requests remembered as running. A kernel runs one, and one for each subshell."""


@dataclass(frozen=True)
class Running:
    """A request that the kernel is working on: its ``busy``, and when that arrived."""

    status: Message
    since: float
    is_in_subshell: bool


class KernelState:
    """The kernel model's changing fields, as the REST API reports them.

    A kernel may do several things at once (a cell, and a request on control or in a subshell), each
    with a ``busy`` and an ``idle`` of its own: it is idle when the last of them is. What it does
    for w2z itself, whose requests have the session ``own_session``, keeps nobody waiting.

    ``now`` is the wall clock's for what is told, and that of a clock that does not jump for what is
    decided.
    """

    def __init__(self, now: datetime, own_session: str) -> None:
        self.execution_state = "starting"
        self.last_activity = now
        self.last_status: Message | None = None
        self.quiet_since = 0.0
        """When the last message arrived on iopub."""
        self._own_session = own_session
        self._is_marked = False
        self._is_supposed_busy = False
        self._busy_since = 0.0
        self._running: dict[object, Running] = {}

    def observe(self, messages: Sequence[Message], wall: datetime, now: float) -> None:
        """Take note of iopub messages that just arrived."""
        self.last_activity = wall
        self.quiet_since = now
        for message in messages:
            # A look for the bytes first: most messages are not statuses and stay unparsed.
            if b'"status"' in message.header and not self._is_marked:
                self._observe_status(message, now)

    @property
    def is_busy(self) -> bool:
        """Whether the kernel is running something."""
        return self.execution_state == "busy"

    def is_busy_for(self, seconds: float, now: float) -> bool:
        """Whether the kernel has been busy for so long."""
        return self.is_busy and now - self._busy_since >= seconds

    def suppose_busy(self) -> None:
        """The kernel is busy with something that began before anybody listened: for how long is
        not known.
        """
        if not self._running:
            self._busy_since = float("-inf")
        self._is_supposed_busy = True
        if not self._is_marked:
            self.execution_state = "busy"

    def settle(self, asked_at: float) -> list[Message]:
        """The kernel answered what it was asked then, on shell: all it had before has ended.

        Returns the ``busy`` of each request whose ``idle`` never arrived. What runs in a subshell
        may go on.
        """
        ended = {
            request: running
            for request, running in self._running.items()
            if running.since < asked_at and not running.is_in_subshell
        }
        for request in ended:
            del self._running[request]
        self._is_supposed_busy = False
        if not self._is_marked and self.execution_state != "idle":
            self._tell("idle", self.last_status if self.execution_state == "starting" else None)
        return [running.status for running in ended.values()]

    def begin_anew(self, state: str) -> None:
        """The kernel is another one now, or none: nothing of before is running."""
        self._is_marked = False
        self._is_supposed_busy = False
        self._running.clear()
        self.execution_state = state
        self.last_status = None

    def forget(self) -> None:
        """The kernel is gone with all that it was running; what was announced stays to be said."""
        self._is_supposed_busy = False
        self._running.clear()
        if self.execution_state == "busy" and not self._is_marked:
            self.begin_anew("idle")

    def mark(self, state: str) -> None:
        """Say this, whatever the kernel says of itself, until :meth:`unmark`."""
        self.begin_anew(state)
        self._is_marked = True

    def unmark(self) -> None:
        """The kernel speaks for itself again; it has nothing to do yet, as far as is known."""
        if self._is_marked:
            self._is_marked = False
            self.execution_state = "busy" if self._is_supposed_busy else "idle"

    def _observe_status(self, message: Message, now: float) -> None:
        try:
            header = parse_object(message.header, "header")
            state = parse_object(message.content, "content").get("execution_state")
            parent = parse_object(message.parent_header, "parent_header")
        except ValueError:
            return
        if header.get("msg_type") != "status" or not isinstance(state, str):
            return
        if state not in _STATES:
            return
        if parent.get("session") == self._own_session and state in ("busy", "idle"):
            if state == "idle" and not (self._running or self._is_supposed_busy):
                self.last_status = message
            return
        request = str(parent.get("msg_id"))
        if state == "busy":
            is_in_subshell = parent.get("subshell_id") is not None
            self._begin(request, Running(message, now, is_in_subshell))
        elif state == "idle":
            running = self._running.pop(request, None)
            if running is None:
                # What w2z did not see begin has ended: there is but one thing on shell at a time.
                self._is_supposed_busy = False
        else:
            self._running.clear()
            self._is_supposed_busy = False
        self._tell(state, message)

    def _begin(self, request: str, running: Running) -> None:
        if not (self._running or self._is_supposed_busy):
            self._busy_since = running.since
        self._running[request] = running
        if len(self._running) > MAX_BUSY:
            del self._running[next(iter(self._running))]

    def _tell(self, state: str, message: Message | None) -> None:
        is_busy = self._running or self._is_supposed_busy
        self.execution_state = "busy" if is_busy else state
        # What a newcomer is told: the oldest of what runs, or what was last.
        oldest = next(iter(self._running.values()), None)
        self.last_status = oldest.status if oldest is not None else message

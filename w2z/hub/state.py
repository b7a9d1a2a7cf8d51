"""What the kernel is doing, as its own messages tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from w2z.message import Message
from w2z.wire.jsontext import parse_object

_STATES = frozenset({"starting", "idle", "busy", "restarting", "terminating", "dead"})


class KernelState:
    """The kernel model's changing fields, as the REST API reports them."""

    def __init__(self, now: datetime) -> None:
        self.execution_state = "starting"
        self.last_activity = now

    def observe(self, messages: Sequence[Message], now: datetime) -> None:
        """Take note of iopub messages that just arrived."""
        self.last_activity = now
        for message in messages:
            # A look for the bytes first: most messages are not statuses and stay unparsed.
            if b'"status"' in message.header:
                self._observe_status(message)

    def _observe_status(self, message: Message) -> None:
        try:
            if parse_object(message.header, "header").get("msg_type") != "status":
                return
            state = parse_object(message.content, "content").get("execution_state")
        except ValueError:
            return
        if isinstance(state, str) and state in _STATES:
            self.execution_state = state

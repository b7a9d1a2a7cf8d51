"""What w2z itself says to clients, in a kernel's place: messages in Jupyter's shape."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from w2z.message import Channel, Message
from w2z.wire.authored import header, stream
from w2z.wire.json import dump


class OwnMessages:
    """Builds w2z's own messages; ``session`` gives the ``header.session`` that they get.

    That is the kernel's, once it is known: a frontend takes a message of another session for the
    end of the kernel that it knew, and gives up what it still had of that one.
    """

    def __init__(self, session: Callable[[], str]) -> None:
        self._session = session

    def header(self, msg_type: str) -> bytes:
        """A header of now, with an id of its own."""
        return header(msg_type, uuid.uuid4().hex, self._session(), datetime.now(UTC))

    def status(
        self, state: str, reason: str | None = None, parent_header: bytes = b"{}"
    ) -> Message:
        """A status in the shape of jupyter_server's; ``reason`` is a field more."""
        content: dict[str, Any] = {"execution_state": state}
        if reason is not None:
            content["reason"] = reason
        return Message(Channel.IOPUB, self.header("status"), parent_header, b"{}", dump(content))

    def stream(self, name: str, text: str) -> Message:
        """Output that belongs to no cell."""
        return stream(name, self.header("stream"), b"{}", text)

    def kernel_info_reply(self, request: Message, content: bytes) -> list[Message]:
        """What the kernel has answered before, between the statuses that frontends wait for."""
        parent = request.header
        reply = Message(Channel.SHELL, self.header("kernel_info_reply"), parent, b"{}", content)
        return [
            self.status("busy", parent_header=parent),
            reply,
            self.status("idle", parent_header=parent),
        ]

"""The messages that w2z itself writes to clients in the kernel's place, in Jupyter's shape."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from w2z.message import Channel, Message, Request
from w2z.wire.authored import answer, failure, header, stream
from w2z.wire.json import dump
from w2z.wire.outline import asks_to_restart


class OwnMessages:
    """Builds w2z's own messages; ``session`` returns the header session that they get.

    It has to be the kernel's, once that is known: at a message with another header session a
    frontend assumes that the kernel has ended, and gives up what it still had of that kernel.
    """

    def __init__(self, session: Callable[[], str]) -> None:
        self._session = session

    def header(self, msg_type: str) -> bytes:
        """Return a header with the present time and a new msg_id."""
        return header(msg_type, uuid.uuid4().hex, self._session(), datetime.now(UTC))

    def status(
        self, state: str, reason: str | None = None, parent_header: bytes = b"{}"
    ) -> Message:
        """Return a status as jupyter_server writes it; ``reason`` is an additional field."""
        content: dict[str, Any] = {"execution_state": state}
        if reason is not None:
            content["reason"] = reason
        return Message(Channel.IOPUB, self.header("status"), parent_header, b"{}", dump(content))

    def stream(self, name: str, text: str) -> Message:
        """Return output that belongs to no cell."""
        return stream(name, self.header("stream"), b"{}", text)

    def kernel_info_reply(self, request: Request, content: bytes) -> list[Message]:
        """Return ``content``, the kernel's earlier answer, as a reply between *busy* and *idle*.

        Frontends wait for these statuses.
        """
        busy = self.status("busy", parent_header=request.message.header)
        return [busy, *answer(request, content, self.header)]

    def lost(self, request: Request, reason: str, kernel_info: bytes | None) -> list[Message]:
        """Return the answer to a lost request; ``reason`` is a clause that says why it is lost.

        The answer is an error, never ``aborted``: nbclient takes every status but ``error`` for
        success, and ``aborted`` would say that the request was not executed, which nobody knows.
        A ``shutdown_request`` is answered with ``ok``: the kernel has ended. A
        ``kernel_info_request`` is answered with ``kernel_info``; without that it gets no answer,
        because jupyter_client cannot read an error there, and asks again when nothing comes.
        """
        if request.msg_type == "kernel_info_request":
            return self.kernel_info_reply(request, kernel_info) if kernel_info else []
        if request.msg_type == "shutdown_request":
            restart = asks_to_restart(request.message.content)
            return answer(request, dump({"status": "ok", "restart": restart}), self.header)
        text = f"{reason}, and this was not answered; whether it was executed is not known"
        return failure(request, "KernelLost", text, self.header)

    def repeated(self, request: Request, kernel_info: bytes | None) -> list[Message]:
        """Return the answer to a repeat when the answer to the first request is gone.

        The first request came on a connection of long ago, or from an earlier run of a script.
        """
        if request.msg_type == "kernel_info_request":
            return self.kernel_info_reply(request, kernel_info) if kernel_info else []
        text = (
            f"this very request, msg_id {request.msg_id[:64]}, was sent to this kernel before and"
            " is not executed again; use a new msg_id to run it again"
        )
        return failure(request, "Repeated", text, self.header)

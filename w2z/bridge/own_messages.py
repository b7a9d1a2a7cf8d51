"""What w2z itself says to clients, in a kernel's place: messages in Jupyter's shape."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from w2z.message import Channel, Message, Request
from w2z.wire.authored import answer, failure, header, stream
from w2z.wire.json import dump, parse_object


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

    def kernel_info_reply(self, request: Request, content: bytes) -> list[Message]:
        """What the kernel has answered before, between the statuses that frontends wait for."""
        busy = self.status("busy", parent_header=request.message.header)
        return [busy, *answer(request, content, self.header)]

    def lost(self, request: Request, reason: str, kernel_info: bytes | None) -> list[Message]:
        """The answer to what a kernel had and did not answer; ``reason`` is a clause that says why.

        Never ``aborted``: nbclient takes all but ``error`` for success, and it would say that the
        request was not executed, which nobody knows. A kernel that was told to end has done so.
        What the kernel is was known before; where it was not, there is no answer, because
        jupyter_client cannot read one that is an error, and asks again without one.
        """
        if request.msg_type == "kernel_info_request":
            return self.kernel_info_reply(request, kernel_info) if kernel_info else []
        if request.msg_type == "shutdown_request":
            restart = bool(parse_object(request.message.content, "content").get("restart"))
            return answer(request, dump({"status": "ok", "restart": restart}), self.header)
        text = f"{reason}, and this was not answered; whether it was executed is not known"
        return failure(request, "KernelLost", text, self.header)

    def repeated(self, request: Request, kernel_info: bytes | None) -> list[Message]:
        """The answer to what the kernel had before, in a connection of long ago or another run."""
        if request.msg_type == "kernel_info_request":
            return self.kernel_info_reply(request, kernel_info) if kernel_info else []
        text = (
            f"this very request, msg_id {request.msg_id[:64]}, was sent to this kernel before and"
            " is not executed again; use a new msg_id to run it again"
        )
        return failure(request, "Repeated", text, self.header)

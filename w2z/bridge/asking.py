"""Which requests can make the kernel ask for input."""

from __future__ import annotations

from w2z.message import Channel, Request
from w2z.wire.outline import may_ask_for_input

NEVER_ASK = frozenset(
    {
        "comm_info_request",
        "complete_request",
        "connect_request",
        "history_request",
        "inspect_request",
        "is_complete_request",
        "kernel_info_request",
    }
)
"""Requests on shell that execute nothing of the user's."""


def may_ask(request: Request) -> bool:
    """Whether the kernel may send an ``input_request`` to whoever sent this request."""
    if request.message.channel is not Channel.SHELL or request.msg_type in NEVER_ASK:
        return False
    if request.msg_type == "execute_request":
        return may_ask_for_input(request.message.content)
    return True

"""Which requests no kernel gets, and which can make it ask for input."""

from __future__ import annotations

from w2z.errors import MessageTooBig, NotAllowed
from w2z.message import Channel, Request, size_of
from w2z.wire.outline import may_ask_for_input

MAX_HEARTBEAT = 2**10
"""Bytes of a client's message on ``hb``. Such messages wait in no queue that a limit counts."""

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


def check(request: Request) -> None:
    """Check what no format can rule out, before the request waits for anything: a client hears of
    its fault at once, whatever else it sends.

    Raises :class:`~w2z.errors.NotAllowed` for a request on iopub, and
    :class:`~w2z.errors.MessageTooBig` for a long one on ``hb``.
    """
    channel = request.message.channel
    if channel is Channel.IOPUB:
        raise NotAllowed("iopub carries messages from the kernel only")
    if channel is Channel.HB:
        size = max(len(request.payload), size_of([request.message]))
        if size > MAX_HEARTBEAT:
            raise MessageTooBig(f"a message on hb has more than {MAX_HEARTBEAT} bytes")


def may_ask(request: Request) -> bool:
    """Whether the kernel may send an ``input_request`` to whoever sent this request."""
    if request.message.channel is not Channel.SHELL or request.msg_type in NEVER_ASK:
        return False
    if request.msg_type == "execute_request":
        return may_ask_for_input(request.message.content)
    return True

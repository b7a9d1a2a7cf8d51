"""What a ``kernel_info_request`` gets from w2z, in the place of a kernel that is busy.

Clients send it first, and show nothing before its answer. The kernel answers it behind the cell
that it runs, which may take hours.
"""

from __future__ import annotations

from w2z.bridge.fanout import Clients
from w2z.bridge.own_messages import OwnMessages
from w2z.bridge.waits import Waits
from w2z.kernel.kernel import Kernel
from w2z.message import Channel, Request


def asks_what_the_kernel_is(request: Request) -> bool:
    """Whether this is a ``kernel_info_request`` on shell."""
    is_on_shell = request.message.channel is Channel.SHELL
    return is_on_shell and request.msg_type == "kernel_info_request"


class Introduction:
    """Answers for one kernel, whose answer to w2z's own request is known."""

    def __init__(self, kernel: Kernel, own: OwnMessages, clients: Clients) -> None:
        self._kernel = kernel
        self._own = own
        self._clients = clients
        self._waits = Waits(clients.retry)

    def take(self, session_id: str, request: Request) -> bool | None:
        """Return ``True`` when it was answered, and ``None`` for a request that has to go to the
        kernel. ``False``: which of them it is will be known soon. The request is refused, and its
        session is retried then.
        """
        if self._may_be_answered_soon(session_id):
            return False
        content = self._kernel.info_content
        if not self._kernel.is_busy or content is None:
            return None
        reply = self._own.kernel_info_reply(request, content)
        # The reply ends with an idle, which frontends show: say again that the kernel is busy.
        busy = self._own.status("busy", parent_header=self._kernel.state.running)
        self._clients.send(session_id, [*reply, busy], own=True)
        return True

    def observed(self) -> None:
        """The kernel said something: requests that were refused are retried if it is not busy."""
        if self._waits and not self._kernel.is_busy:
            self._waits.end()

    def close(self) -> None:
        """Forget all that wait; nobody retries."""
        self._waits.close()

    def _may_be_answered_soon(self, session_id: str) -> bool:
        """A kernel that is not ready may turn out to be busy; one that is busy may soon be idle.
        The session's requests are retried when that is known, and at the latest after a moment.
        """
        kernel = self._kernel
        if not kernel.life.is_ready:
            seconds = kernel.timing.unanswered
        elif kernel.is_busy and kernel.answers_for_itself:
            seconds = kernel.timing.busy_for
        else:
            return False
        return self._waits.refuses(session_id, seconds)

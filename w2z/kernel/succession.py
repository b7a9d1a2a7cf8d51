"""Which kernel answers: the same as before, the one that was told to end, or another.

w2z tells kernels apart by the header session of their replies. Rules:

1. Replies of a kernel that was told to end do not count, until another kernel has replied, the
   sockets are replaced, or no other kernel has come in time.
2. The same header session means the same kernel. A missing one, or w2z's own, which some kernels
   put into their replies, proves nothing: each reply may come from another kernel.
"""

from __future__ import annotations

ANYBODY = object()
"""Stands for the header session of a kernel that was told to end before it was known."""


class Succession:
    """Tells one kernel from the next; ``own_session`` is the header session of w2z's requests."""

    def __init__(self, own_session: str) -> None:
        self.session: object = None
        """The header session of the last reply that counted; ``None`` if the reply had none."""
        self._own_session = own_session
        self._served: object = None
        self._passed_over: object = None

    @property
    def known(self) -> str | None:
        """The header session of the kernel's messages; ``None`` before a reply, or without one."""
        return self.session if isinstance(self.session, str) and self.session else None

    def passes_over(self, session: object) -> bool:
        """Whether replies with that header session do not count: the kernel was told to end."""
        return self._passed_over is ANYBODY or (
            self._passed_over is not None and session == self._passed_over
        )

    def on_answer(self, session: object) -> None:
        """Called when a reply arrived that counts."""
        self._passed_over = None
        self.session = session

    def on_goodbye(self, session: object) -> None:
        """Called when the kernel that was told to end replied: now its header session is known."""
        if self._passed_over is ANYBODY and session is not None:
            self._passed_over = session

    def on_served(self) -> None:
        """Called when clients' requests may go to the kernel that replied last."""
        self._served = self.session

    def expect_another(self) -> None:
        """Called when the kernel is about to be told to end: its replies count no more."""
        self._passed_over = ANYBODY if self.session is None else self.session

    def accept_anybody(self) -> None:
        """Let the replies of every kernel count again."""
        self._passed_over = None

    @property
    def is_same(self) -> bool:
        """Whether the kernel that replied last is certainly the one that had clients' requests."""
        return self.known not in (None, self._own_session) and self.session == self._served

"""Which kernel it is that answers: the one of before, the one that is to go, or another.

A kernel is known by the session in the headers of its answers. Rules:

1. The word of a kernel that was told to end does not count, until the sockets lead elsewhere or it
   turns out that it stays.
2. The same session is the same kernel, but where it is none or the asker's own, which some kernels
   put into their answers: then each may be another one.
"""

from __future__ import annotations

ANYBODY = object()
"""Stands for the session of a kernel that was told to end before it had answered."""


class Succession:
    """One kernel after another; ``own_session`` is in the headers of w2z's own requests."""

    def __init__(self, own_session: str) -> None:
        self.session: object = None
        """That of the last answer that counted."""
        self._own_session = own_session
        self._served: object = None
        self._passed_over: object = None

    @property
    def known(self) -> str | None:
        """The session in the headers of the kernel's own messages, as far as they have one."""
        return self.session if isinstance(self.session, str) and self.session else None

    def passes_over(self, session: object) -> bool:
        """Whether this is the session of the kernel that was told to end."""
        return self._passed_over is ANYBODY or (
            self._passed_over is not None and session == self._passed_over
        )

    def on_answer(self, session: object) -> None:
        """A kernel answered whose word counts."""
        self._passed_over = None
        self.session = session

    def on_goodbye(self, session: object) -> None:
        """The kernel that was told to end said so: now it is known which one that is."""
        if self._passed_over is ANYBODY and session is not None:
            self._passed_over = session

    def on_served(self) -> None:
        """Clients' requests go to the kernel that answered last."""
        self._served = self.session

    def expect_another(self) -> None:
        """The kernel is told to end."""
        self._passed_over = ANYBODY if self.session is None else self.session

    def accept_anybody(self) -> None:
        """Whoever answers now is the kernel."""
        self._passed_over = None

    @property
    def is_same(self) -> bool:
        """Whether the kernel that answered last is for sure the one that had clients' requests."""
        return self.known not in (None, self._own_session) and self.session == self._served

"""From connected to ready: when to ask the kernel, and when to believe it.

Ready means that a reply to ``kernel_info_request`` *and* a message on iopub were seen: the reply
alone does not prove that output already arrives, and what a client runs before it does is lost.
Decisions only; the caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

from enum import Enum

from w2z.message import Channel

ASK_AGAIN = 0.1
"""After a reply without output: the next request's statuses show that iopub is connected."""

GRACE = 5.0
"""A kernel that answers and never says a word on iopub (some do not) is ready after this."""

LEFT_ALONE = 1.0
"""A kernel that was told to end is not asked this long, so that it can: ipykernel hangs for ever
when a request comes between the end of its output and that of its control thread.
"""

FIRST_REPEAT = 1.0
LAST_REPEAT = 60.0
"""Unanswered requests are repeated ever more slowly: they queue up in a busy kernel's shell."""


class Phase(Enum):
    """How far the kernel is."""

    STARTING = "starting"
    READY = "ready"


class Readiness:
    """One kernel on its way to ready.

    ``restarted`` says that another was there before it, at the same sockets; ``is_first`` that
    there never was another, so that nobody has to be told before requests go to it.
    """

    def __init__(self, now: float, *, restarted: bool = False, is_first: bool = False) -> None:
        self.phase = Phase.STARTING
        self._restarted = restarted
        self._is_first = is_first
        self._iopub_seen = False
        self._answered_at: float | None = None
        self._ask_at = now + LEFT_ALONE if restarted else now
        self._repeat = FIRST_REPEAT

    def on_iopub(self) -> None:
        """Something arrived on iopub, ``iopub_welcome`` (JEP 65) included."""
        # After a restart it may be the last words of the kernel before.
        self._iopub_seen = self._answered_at is not None or not self._restarted
        self._decide()

    def on_reply(self, now: float) -> None:
        """A ``kernel_info_reply`` arrived."""
        if self._answered_at is None:
            self._answered_at = now
        self._ask_at = now + ASK_AGAIN
        self._repeat = FIRST_REPEAT
        self._decide()

    def poll(self, now: float) -> list[Channel]:
        """The channels to send a ``kernel_info_request`` on now.

        Control as well as shell: some kernels answer there while a cell is running.
        """
        if self._answered_at is not None and now >= self._answered_at + GRACE:
            self.phase = Phase.READY
        if self.phase is Phase.READY or now < self._ask_at:
            return []
        self._ask_at = now + self._repeat
        self._repeat = min(2 * self._repeat, LAST_REPEAT)
        return [Channel.SHELL, Channel.CONTROL]

    @property
    def accepts_requests(self) -> bool:
        """Whether clients' messages may go to the kernel: their output would be seen.

        A successor's wait until it is known whether it is one, and clients were told.
        """
        return self.is_ready or (self._is_first and self._iopub_seen)

    @property
    def is_ready(self) -> bool:
        """Whether the kernel answered and its output arrives."""
        return self.phase is Phase.READY

    @property
    def is_silent(self) -> bool:
        """Whether the kernel is taken for ready although iopub said nothing."""
        return self.is_ready and not self._iopub_seen

    def _decide(self) -> None:
        if self._iopub_seen and self._answered_at is not None:
            self.phase = Phase.READY

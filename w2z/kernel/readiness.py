"""When to ask the kernel whether it is ready, and when it counts as ready.

A kernel is ready when w2z has received a reply to a ``kernel_info_request`` *and* a message on
iopub. The reply alone does not prove that output already arrives, and output of code that runs
before that would be missed. A silent kernel counts as ready ``timing.grace`` after its first reply.
No I/O: the caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

from enum import Enum

from w2z.message import Channel
from w2z.timing import Timing


class Progress(Enum):
    """How far the kernel is on its way to ready."""

    NOTHING = "it has not answered, and its output was not seen"
    HEARD = "its output arrives, it has not answered"
    BESIDE = "its output arrives, it answers on control and not on shell: it is busy"
    READY = "its output arrives, and it answers"


class Readiness:
    """One kernel on its way to ready.

    ``restarted`` says that another kernel was there before, at the same sockets: messages that
    arrive before the first reply may still be the other kernel's. ``is_reached`` says that the
    iopub socket is already connected.
    """

    def __init__(
        self, now: float, timing: Timing, *, restarted: bool = False, is_reached: bool = False
    ) -> None:
        self._timing = timing
        self._restarted = restarted
        self._is_reached = is_reached
        self._iopub_seen = False
        self._answered_at: float | None = None
        self._answered_on_shell = False
        self._waits_on_shell_since: float | None = None
        self._begun_at = now
        self._ask_at = now + timing.left_alone if restarted else now
        self._repeat = timing.first_repeat

    def on_reached(self) -> None:
        """Called when the iopub socket is connected, to a kernel or another ZMQ socket."""
        self._is_reached = True

    def on_iopub(self) -> None:
        """Called when a message arrived on iopub, be it only ``iopub_welcome`` (JEP 65)."""
        self._is_reached = True
        self._iopub_seen = self._answered_at is not None or not self._restarted

    def on_reply(self, channel: Channel, now: float) -> None:
        """Called when a ``kernel_info_reply`` arrived on ``channel``."""
        if self._answered_at is None:
            self._answered_at = now
        if channel is Channel.SHELL:
            self._answered_on_shell = True
            self._waits_on_shell_since = None
        self._ask_at = now + self._timing.ask_again
        self._repeat = self._timing.first_repeat

    def poll(self, now: float) -> list[Channel]:
        """Return the channels to send a ``kernel_info_request`` on now.

        These are shell and control, because some kernels answer on control while a cell is running.
        """
        if self.progress(now) in (Progress.READY, Progress.BESIDE) or now < self._ask_at:
            return []
        if self._waits_on_shell_since is None:
            self._waits_on_shell_since = now
        self._ask_at = now + self._repeat
        self._repeat = min(2 * self._repeat, self._timing.last_repeat)
        return [Channel.SHELL, Channel.CONTROL]

    def progress(self, now: float) -> Progress:
        """Return how far the kernel is on its way to ready."""
        if self._answered_at is None:
            return Progress.HEARD if self._iopub_seen else Progress.NOTHING
        if not (self._iopub_seen or self.is_silent(now)):
            return Progress.NOTHING
        if self._answered_on_shell and self._waits_on_shell_since is None:
            return Progress.READY
        # The kernel may have replied on shell once and then have begun to run something.
        since = max(self._answered_at, self._waits_on_shell_since or self._answered_at)
        is_late = now >= since + self._timing.shell_grace
        return Progress.BESIDE if is_late else Progress.HEARD

    def is_silent(self, now: float) -> bool:
        """Whether the kernel counts as ready although no message has arrived on iopub."""
        return self._is_reached and not self._iopub_seen and self._is_answer_old(now)

    def is_cut_off(self, now: float) -> bool:
        """Whether the kernel replies, but its iopub endpoint cannot be reached."""
        return not self._is_reached and self._is_answer_old(now)

    def is_unanswered(self, now: float) -> bool:
        """Whether iopub is connected, and ``timing.unanswered`` has passed without a reply."""
        is_late = now >= self._begun_at + self._timing.unanswered
        return self._is_reached and self._answered_at is None and is_late

    def _is_answer_old(self, now: float) -> bool:
        """Whether the kernel first replied so long ago that its output should have arrived."""
        return self._answered_at is not None and now >= self._answered_at + self._timing.grace

"""When to ask the kernel whether it is ready, and when it counts as ready.

A kernel is ready when w2z has received a reply to a ``kernel_info_request`` *and* a message on
iopub. The reply alone does not prove that output already arrives, and output of code that runs
before that would be missed. A silent kernel counts as ready ``timing.grace`` after its first reply.
No I/O: the caller passes the time, in seconds of any clock that does not jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from w2z.message import Channel
from w2z.timing import Timing


class Progress(Enum):
    """How far the kernel is on its way to ready."""

    NOTHING = "it has not answered, and its output was not seen"
    HEARD = "its output arrives, it has not answered"
    BESIDE = "its output arrives, it answers on control and not on shell: it is busy"
    READY = "its output arrives, and it answers"


@dataclass
class Reached:
    """Which of w2z's sockets are connected to the kernel, with ZMQ's own handshake done."""

    iopub: bool = False
    shell: bool = False


class Readiness:
    """One kernel on its way to ready.

    ``restarted`` says that another kernel was there before, at the same sockets: messages that
    arrive before the first reply may still be the other kernel's. ``reached`` is kept up to date by
    the caller.
    """

    def __init__(
        self, now: float, timing: Timing, reached: Reached, *, restarted: bool = False
    ) -> None:
        self._timing = timing
        self._reached = reached
        self._restarted = restarted
        self._iopub_seen = False
        self._answered_at: float | None = None
        self._answered_on_shell = False
        self._waits_on_shell_since: float | None = None
        self._begun_at = now
        self._ask_at = now + timing.left_alone if restarted else now
        self._repeat = timing.first_repeat

    def on_reached(self, now: float) -> None:
        """Called when the iopub socket is connected. Output can arrive from now on, if the kernel
        has taken note of the subscription: so silence counts from now, and it is asked again.
        """
        if self._answered_at is not None:
            self._answered_at = self._ask_at = now

    def on_iopub(self) -> None:
        """Called when a message arrived on iopub, be it only ``iopub_welcome`` (JEP 65)."""
        self._reached.iopub = True
        self._iopub_seen = self._answered_at is not None or not self._restarted

    def on_reply(self, channel: Channel, now: float) -> None:
        """Called when a ``kernel_info_reply`` arrived on ``channel``."""
        if self._answered_at is None:
            self._answered_at = now
        if channel is Channel.SHELL:
            self._reached.shell = self._answered_on_shell = True
            self._waits_on_shell_since = None
        # A kernel that has replied for so long lacks something that no request brings about.
        is_old = self._is_answer_old(now)
        self._ask_at = now + (self._timing.first_repeat if is_old else self._timing.ask_again)
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
        return Progress.BESIDE if is_late and self._reached.shell else Progress.HEARD

    def is_silent(self, now: float) -> bool:
        """Whether the kernel counts as ready although no message has arrived on iopub."""
        return self._reached.iopub and not self._iopub_seen and self._is_answer_old(now)

    def cut_off(self, now: float) -> Channel | None:
        """Return the channel whose endpoint cannot be reached although the kernel replies."""
        if not self._is_answer_old(now):
            return None
        if not self._reached.iopub:
            return Channel.IOPUB
        return None if self._reached.shell else Channel.SHELL

    def is_unanswered(self, now: float) -> bool:
        """Whether iopub is connected, and ``timing.unanswered`` has passed without a reply."""
        is_late = now >= self._begun_at + self._timing.unanswered
        return self._reached.iopub and self._answered_at is None and is_late

    def _is_answer_old(self, now: float) -> bool:
        """Whether the kernel first replied so long ago that its output should have arrived."""
        return self._answered_at is not None and now >= self._answered_at + self._timing.grace

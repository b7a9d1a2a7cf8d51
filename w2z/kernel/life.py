"""The life of one kernel after another, as one state machine.

Rules:

1. The state becomes another only by the table of :mod:`w2z.kernel.transitions`, and it alone says
   whether clients' requests may go to the kernel.
2. While no word of a kernel may count, because it is on its way out or its sockets are, nobody is
   asked whether it is ready. What arrives all the same changes nothing.
3. What there is to do about an event is returned, in the order in which it has to be done: clients
   hear that the kernel is another one or dead, then what became of their requests, and both before
   the next request goes to a kernel. The caller does it; here nothing is done.
4. Time is passed in, in seconds of a clock that does not jump.

A kernel is *owned* when w2z started it: then its process tells when it ends. Of any other its
sockets tell: it has *hung up* when the connection to its iopub ended, and it is *dead* when, after
that, nobody listens at its ports for a while. Silence alone proves nothing: a kernel may be
stopped, or busy in code that holds its interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence

from w2z.kernel.actions import (
    Action,
    Announce,
    Ask,
    Found,
    Leave,
    Lose,
    Open,
    Relink,
    Settle,
    Suppose,
    Warn,
)
from w2z.kernel.presence import Presence
from w2z.kernel.readiness import Progress, Readiness
from w2z.kernel.succession import Succession
from w2z.kernel.transitions import READY, TAKES_REQUESTS, TRANSITIONS, Event, State
from w2z.message import Channel
from w2z.timing import Timing

_ARRIVALS = {
    Progress.HEARD: Event.HEARD,
    Progress.BESIDE: Event.ANSWERED_BESIDE,
    Progress.READY: Event.ANSWERED,
}

NOBODY = "nobody listens at {shell} (shell)"


class Life:
    """The state of the kernel, and what there is to do about what happens to it.

    ``own_session`` is in the headers of w2z's own requests: some kernels put it into their answers
    instead of a session of their own.
    """

    def __init__(self, now: float, timing: Timing, *, is_owned: bool, own_session: str) -> None:
        self.state = State.STARTING
        self._timing = timing
        self._is_owned = is_owned
        self._since = now
        self._presence = Presence(now, timing, tries_ports=not is_owned)
        self._succession = Succession(own_session)
        # The kernel that is asked whether it is ready; none while no word of one may count.
        self._readiness: Readiness | None = Readiness(now, timing)
        self._asked_on_shell_at: float | None = None
        self.is_leaving = False
        """Whether :class:`Leave` was returned, and the sockets are the same still."""
        self._is_link_kept = False
        self.was_used = False
        """Whether requests may have gone to this kernel since it was started."""
        self.has_served = False
        """Whether requests may have gone to this kernel, or to any before it."""
        # What has been said about it.
        self._has_warned = False
        self._has_supposed = False
        self._doubted: float | None = None

    # What there is to know.

    @property
    def takes_requests(self) -> bool:
        """Whether clients' requests may go to the kernel."""
        return self.state in TAKES_REQUESTS

    @property
    def is_ready(self) -> bool:
        """Whether the kernel answered and its output arrives, and it is not on its way out."""
        return self.state in READY

    @property
    def is_there(self) -> bool:
        """Whether there is a kernel to be told something, ready or not."""
        is_silent = self.state is State.STARTING and self._presence.is_reached
        return is_silent or self.takes_requests

    @property
    def misses_beats(self) -> bool:
        """Whether the kernel does not answer heartbeats any more; busy ones may not."""
        return self._presence.pulse.is_missed

    @property
    def session(self) -> str | None:
        """The session in the headers of the kernel's own messages, once it is known."""
        return self._succession.known

    def is_silent(self, now: float) -> bool:
        """Whether the kernel is taken for ready although iopub says nothing."""
        return self._readiness is not None and self._readiness.is_silent(now)

    def passes_over(self, session: object) -> bool:
        """Whether this is the session of the kernel that was told to end: it does not count."""
        return self._succession.passes_over(session)

    # What its sockets tell.

    def on_reached(self, now: float) -> list[Action]:
        """The iopub socket is connected to the kernel."""
        self._presence.is_reached = True
        if self._readiness is None:
            return []
        self._readiness.on_reached()
        return self._proceed(self._readiness, now)

    def on_iopub(self, now: float) -> list[Action]:
        """Something arrived on iopub. It matters only while the kernel is not ready."""
        if self._readiness is None:
            return []
        self._readiness.on_iopub()
        return self._proceed(self._readiness, now)

    def on_info_reply(self, channel: Channel, session: object, now: float) -> list[Action]:
        """A reply to w2z's own ``kernel_info_request`` arrived, with this session in its header."""
        if self._readiness is None or self.passes_over(session):
            return []
        self._succession.on_answer(session)
        self._readiness.on_reply(channel, now)
        settled: list[Action] = []
        if channel is Channel.SHELL and self._asked_on_shell_at is not None:
            settled = [Settle(self._asked_on_shell_at)]
            self._asked_on_shell_at = None
        return self._proceed(self._readiness, now, settled)

    def on_goodbye(self, session: object) -> list[Action]:
        """The kernel answered w2z's ``shutdown_request``: now it is known who is to go."""
        self._succession.on_goodbye(session)
        return []

    def on_echo(self) -> list[Action]:
        """The kernel's heartbeat answered."""
        self._presence.pulse.on_echo()
        return []

    def on_hung_up(self, now: float) -> list[Action]:
        """The connection to the kernel's iopub ended. Of an owned kernel the process tells more."""
        self._presence.is_reached = False
        return [] if self._is_owned else self._leave(now)

    def on_heart_stopped(self) -> list[Action]:
        """The connection to the kernel's heartbeat ended. What had been taken for a broken
        connection of iopub alone was the beginning of the kernel's end.
        """
        if self._is_link_kept and self.state in (State.GONE, State.ENDING):
            return self._depart()
        return []

    def on_probe(self, number: int, found: Found, now: float) -> list[Action]:
        """An attempt to connect came to something; one that the kernel's life overtook is void."""
        refused = self._presence.on_probe(number, found, now, is_known=self.takes_requests)
        if refused is None:
            return []
        if self.takes_requests:
            return self._leave(now)
        if self.state is State.GONE and now >= self._since + self._timing.dead_after:
            return self._die("the kernel ended", now)
        if self.state is not State.STARTING:
            return []
        if refused >= self._timing.never_there:
            # A host that does not answer takes long to say so: nothing may have been logged yet.
            warned = self._warn(NOBODY)
            return [*warned, *self._die("nobody listens where the connection file says", now)]
        if refused >= self._timing.nobody_after:
            return self._warn(NOBODY)
        return []

    # What its keeper tells.

    def ask_to_end(self, now: float) -> list[Action]:
        """Somebody asked for the kernel's end: requests wait for the next one."""
        if self._become(Event.ASKED_TO_END, now):
            self._readiness = None
        return []

    def expect_another(self, now: float) -> list[Action]:
        """The kernel is about to be told to end: only a process other than it counts as ready."""
        self._succession.expect_another()
        self._ask_anew(now, restarted=True)
        return []

    def stay(self, now: float) -> list[Action]:
        """No other kernel came in time: what answers now is ready again, whoever it is."""
        self._succession.accept_anybody()
        if self._become(Event.STAYED, now):
            self._ask_anew(now)
        return []

    def on_connected(self, now: float) -> list[Action]:
        """The sockets are others, and lead to whoever is there next."""
        self.is_leaving = self._is_link_kept = False
        self._succession.accept_anybody()
        self._presence.on_connected(now)
        self._ask_anew(now)
        return []

    def on_link_kept(self, now: float) -> list[Action]:
        """The sockets are the same, and so is the kernel: iopub's connection alone ended."""
        self.is_leaving, self._is_link_kept = False, True
        self._presence.begin_again(now)
        self._ask_anew(now, restarted=self.state is State.ENDING)
        return []

    def on_started(self, now: float) -> list[Action]:
        """w2z started a process; the sockets lead to where it will listen."""
        self._become(Event.STARTED, now)
        self.was_used = False
        self._presence = Presence(now, self._timing, tries_ports=False)
        return self.on_connected(now)

    def on_ended(self, now: float) -> list[Action]:
        """The process of an owned kernel ended; what that means is its keeper's to know."""
        self._become(Event.ENDED, now)
        self._readiness = None
        return []

    # What time tells.

    def poll(self, now: float) -> list[Action]:
        """What is due now; ask several times a second."""
        actions: list[Action] = []
        if self._readiness is not None and not self.is_ready:
            channels = self._readiness.poll(now)
            if channels and self._asked_on_shell_at is None:
                self._asked_on_shell_at = now
            actions += map(Ask, channels)
            actions += self._proceed(self._readiness, now)
            actions += self._remarks(self._readiness, now)
        if self.takes_requests:
            return [*actions, *self._presence.beat(now)]
        is_waited_for = self.state is State.STARTING and not self._presence.is_reached
        is_missed = self.state is State.GONE and now >= self._since + self._timing.dead_after
        if is_waited_for or is_missed:
            return [*actions, *self._presence.search(now)]
        return actions

    def doubt_busy(self, now: float, quiet_since: float) -> list[Action]:
        """The kernel counts as busy, and nothing came on iopub since then: its ``idle`` may have
        been lost. It is asked once for each such silence.
        """
        is_due = now >= quiet_since + self._timing.doubt_busy and quiet_since != self._doubted
        if not (is_due and self.state is State.READY):
            return []
        self._doubted = quiet_since
        self._asked_on_shell_at = now
        return [Ask(Channel.SHELL)]

    # How it goes on.

    def _become(self, event: Event, now: float) -> bool:
        after = TRANSITIONS[self.state].get(event)
        if after is None:
            return False
        self.state = after
        self._since = now
        self._presence.forget_tries()
        return True

    def _ask_anew(self, now: float, *, restarted: bool = False) -> None:
        """Ask whether the kernel is ready, unless the sockets are about to be left."""
        if self.is_leaving:
            return
        self._readiness = Readiness(
            now, self._timing, restarted=restarted, is_reached=self._presence.is_reached
        )
        self._asked_on_shell_at = None
        self._has_warned = False
        self._has_supposed = False

    def _leave(self, now: float) -> list[Action]:
        """The kernel is gone, as far as its sockets tell."""
        if self.takes_requests or self.state is State.ENDING:
            self._become(Event.ENDED, now)
            return self._depart()
        if self._readiness is not None:
            # It had not begun; what it may have answered counts for nothing.
            self._readiness = Readiness(now, self._timing)
        return []

    def _depart(self) -> list[Action]:
        if self.is_leaving:
            return []
        self.is_leaving = True
        self._readiness = None
        return [Leave()]

    def _proceed(
        self, readiness: Readiness, now: float, settled: Sequence[Action] = ()
    ) -> list[Action]:
        """Become ready, as far as that is known by now; ``settled`` is to be done in any case."""
        before, is_first = self.state, not self.has_served
        event = _ARRIVALS.get(readiness.progress(now))
        if event is Event.HEARD and not is_first:
            event = None  # Output alone may be the last of the kernel of before.
        if event is None or not self._become(event, now):
            return [*settled]
        actions = [*self._greet(before, is_first=is_first), *settled]
        self.was_used = self.has_served = True
        self._succession.on_served()
        if self.state is State.BUSY:
            actions.append(Suppose())
        if before not in TAKES_REQUESTS:
            actions.append(Open())
        return actions

    def _greet(self, before: State, *, is_first: bool) -> list[Action]:
        """What clients are told of a kernel that is there again, or in another one's place."""
        if before not in (State.GONE, State.DEAD, State.ENDING):
            return []
        if self._succession.is_same:
            return [Announce("idle")] if before is State.DEAD else []
        lost = Lose("the kernel was replaced by another one")
        if before is State.ENDING:
            return [lost]  # It was asked for, and so is no news.
        reason = "the kernel is there now" if is_first else "another kernel has taken its place"
        return [Announce("restarting", reason), lost, Announce("idle")]

    def _remarks(self, readiness: Readiness, now: float) -> list[Action]:
        """Why the kernel is not ready."""
        if readiness.is_cut_off(now):
            return self._warn("the kernel answers, but nobody can be reached at {iopub} (iopub)")
        is_late = not self._is_owned and readiness.is_unanswered(now)
        if is_late and not self._has_supposed and self.state in (State.STARTING, State.HEARD):
            self._has_supposed = True
            return [Suppose()]
        return []

    def _warn(self, text: str) -> list[Action]:
        if self._has_warned:
            return []
        self._has_warned = True
        return [Warn(text)]

    def _die(self, reason: str, now: float) -> list[Action]:
        self._become(Event.ABANDONED, now)
        return [Relink(), Announce("dead", reason), Lose(reason)]

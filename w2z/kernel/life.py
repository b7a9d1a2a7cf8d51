"""The life of one kernel after another, as one state machine.

Rules:

1. The state changes only by the table of :mod:`w2z.kernel.transitions`. The state alone says
   whether clients' requests may go to the kernel.
2. While no reply may count, because the kernel is about to end or its sockets are about to be
   replaced, w2z asks no kernel whether it is ready. Messages that still arrive change nothing.
3. Each event method returns the actions that the event needs, in the order in which the caller has
   to do them. Clients hear first that the kernel was replaced or is dead, then what became of their
   requests, and both before the next request goes to a kernel. No I/O happens here.
4. The caller passes the time, in seconds of a clock that does not jump.

The process of an owned kernel tells when it ends. Of an attached kernel only the sockets tell: it
has hung up when iopub's connection ended, and it is dead when nobody listens at its ports
``timing.dead_after`` later. That a kernel does not answer proves nothing: it may be stopped, or
busy in code that holds its interpreter.
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
from w2z.kernel.readiness import Progress, Reached, Readiness
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
CUT_OFF = "the kernel answers, but nobody can be reached at {{{channel}}} ({channel})"


class Life:
    """The state of the kernel. Each event method updates it and returns the actions to do.

    ``own_session`` is the header session of w2z's own requests: some kernels put it into their
    replies instead of one of their own.
    """

    def __init__(self, now: float, timing: Timing, *, is_owned: bool, own_session: str) -> None:
        self.state = State.STARTING
        self._timing = timing
        self._is_owned = is_owned
        self._since = now
        self._presence = Presence(now, timing, tries_ports=not is_owned)
        self._reached = Reached()
        self._succession = Succession(own_session)
        # How far the kernel is on its way to ready; ``None`` while no reply may count.
        self._readiness: Readiness | None = Readiness(now, timing, self._reached)
        self._asked_on_shell_at: float | None = None
        self.is_leaving = False
        """Whether :class:`Leave` was returned and the keeper has not done it yet."""
        self._is_link_kept = False
        self.was_used = False
        """Whether requests may have gone to this kernel since it was started."""
        self.has_served = False
        """Whether requests may have gone to this kernel, or to any before it."""
        # Done already, and not to be repeated: the first two until w2z begins again to ask whether
        # the kernel is ready, the doubt until a message arrives on iopub.
        self._has_warned = False
        self._has_supposed = False
        self._doubted: float | None = None

    # What others may ask; nothing changes.

    @property
    def takes_requests(self) -> bool:
        """Whether clients' requests may go to the kernel."""
        return self.state in TAKES_REQUESTS

    @property
    def is_ready(self) -> bool:
        """Whether the kernel has answered and its output arrives, and it is not about to end."""
        return self.state in READY

    @property
    def is_there(self) -> bool:
        """Whether a kernel is connected that can be told to end, ready or not."""
        is_silent = self.state is State.STARTING and self._reached.iopub
        return is_silent or self.takes_requests

    @property
    def misses_beats(self) -> bool:
        """Whether the kernel has stopped answering heartbeats; a busy kernel may do that, too."""
        return self._presence.pulse.is_missed

    @property
    def session(self) -> str | None:
        """The header session of the kernel's messages; ``None`` while it is not known."""
        return self._succession.known

    def is_silent(self, now: float) -> bool:
        """Whether the kernel counts as ready although no message has arrived on iopub."""
        return self._readiness is not None and self._readiness.is_silent(now)

    def passes_over(self, session: object) -> bool:
        """Whether replies with that header session do not count: the kernel was told to end."""
        return self._succession.passes_over(session)

    # Events from the sockets.

    def on_reached(self, now: float) -> list[Action]:
        """The iopub socket is connected to the kernel, which may count as ready now."""
        self._reached.iopub = True
        if self._readiness is None:
            return []
        self._readiness.on_reached(now)
        return self._proceed(self._readiness, now)

    def on_shell_reached(self, now: float, *, is_up: bool) -> list[Action]:
        """The shell socket is connected to the kernel, which may count as busy now; or, unless
        ``is_up``, that connection ended.
        """
        self._reached.shell = is_up
        if not (is_up or self.takes_requests or self.state is State.ENDING):
            self._disbelieve(now)
        return [] if self._readiness is None else self._proceed(self._readiness, now)

    def on_iopub(self, now: float) -> list[Action]:
        """A message arrived on iopub. It matters only while the kernel is not ready."""
        if self._readiness is None:
            return []
        self._readiness.on_iopub()
        return self._proceed(self._readiness, now)

    def on_info_reply(self, channel: Channel, session: object, now: float) -> list[Action]:
        """A reply to w2z's own ``kernel_info_request`` arrived, with ``session`` in its header. A
        reply on shell settles what the kernel was running when it was first asked.
        """
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
        """The kernel answered w2z's ``shutdown_request``. If its header session was not known, it
        is known now, and only replies with that header session do not count.
        """
        self._succession.on_goodbye(session)
        return []

    def on_echo(self) -> list[Action]:
        """The kernel's heartbeat sent w2z an echo."""
        self._presence.pulse.on_echo()
        return []

    def on_hung_up(self, now: float) -> list[Action]:
        """Iopub's connection ended: leave the sockets of an attached kernel. Of an owned kernel the
        process tells more. A connection that never came about tells nothing.
        """
        was_reached, self._reached.iopub = self._reached.iopub, False
        return self._leave(now) if was_reached and not self._is_owned else []

    def on_heart_stopped(self) -> list[Action]:
        """The heartbeat's connection ended. If the sockets were kept because only iopub's
        connection seemed broken, that was the beginning of the kernel's end: leave them now.
        """
        if self._is_link_kept and self.state in (State.GONE, State.ENDING):
            return self._depart()
        return []

    def on_probe(self, number: int, found: Found, now: float) -> list[Action]:
        """A probe ended with ``found``. Ignored if the state or the sockets changed meanwhile."""
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
            # Probes of a host that does not answer take long: this may be the first chance to warn.
            warned = self._warn(NOBODY)
            return [*warned, *self._die("nobody listens where the connection file says", now)]
        if refused >= self._timing.nobody_after:
            return self._warn(NOBODY)
        return []

    # Events from the keeper.

    def ask_to_end(self, now: float) -> list[Action]:
        """Somebody asked for the kernel's end: clients' requests wait for the next kernel."""
        if self._become(Event.ASKED_TO_END, now):
            self._readiness = None
        return []

    def expect_another(self, now: float) -> list[Action]:
        """The kernel is about to be told to end: from now on only another one counts as ready."""
        self._succession.expect_another()
        self._ask_anew(now, restarted=True)
        return []

    def stay(self, now: float) -> list[Action]:
        """No other kernel came in time: the next kernel to answer counts, even the same one."""
        self._succession.accept_anybody()
        if self._become(Event.STAYED, now):
            self._ask_anew(now)
        return []

    def on_connected(self, now: float) -> list[Action]:
        """The sockets were replaced: whichever kernel answers on the new ones counts."""
        self.is_leaving = self._is_link_kept = False
        self._succession.accept_anybody()
        self._reached = Reached()
        self._presence.begin_again(now)
        self._ask_anew(now)
        return []

    def on_link_kept(self, now: float) -> list[Action]:
        """The sockets were kept, because the kernel is the same and only iopub's connection ended:
        ask again whether it is ready.
        """
        self.is_leaving, self._is_link_kept = False, True
        self._presence.begin_again(now)
        self._ask_anew(now, restarted=self.state is State.ENDING)
        return []

    def on_started(self, now: float) -> list[Action]:
        """w2z started a kernel's process, and the sockets lead to where it will listen."""
        self._become(Event.STARTED, now)
        self.was_used = False
        self._presence = Presence(now, self._timing, tries_ports=False)
        return self.on_connected(now)

    def on_ended(self, now: float) -> list[Action]:
        """The process of an owned kernel ended: no reply counts now. The keeper decides what
        follows.
        """
        self._become(Event.ENDED, now)
        self._readiness = None
        return []

    # Events from the clock.

    def poll(self, now: float) -> list[Action]:
        """Return the actions that are due now; call several times a second."""
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
        is_waited_for = self.state is State.STARTING and not self._reached.iopub
        is_missed = self.state is State.GONE and now >= self._since + self._timing.dead_after
        # A dead kernel's successor may be at another address of the same name.
        is_missed = is_missed or (self.state is State.DEAD and not self._reached.iopub)
        if is_waited_for or is_missed:
            return [*actions, *self._presence.search(now)]
        return actions

    def doubt_busy(self, now: float, quiet_since: float) -> list[Action]:
        """The kernel counts as busy, and no message has arrived on iopub since ``quiet_since``. Its
        ``idle`` may have been lost: after ``timing.doubt_busy`` ask it on shell, once for each
        ``quiet_since``. The reply settles what it was running.
        """
        is_due = now >= quiet_since + self._timing.doubt_busy and quiet_since != self._doubted
        if not (is_due and self.state is State.READY):
            return []
        self._doubted = quiet_since
        self._asked_on_shell_at = now
        return [Ask(Channel.SHELL)]

    # What follows from events.

    def _become(self, event: Event, now: float) -> bool:
        after = TRANSITIONS[self.state].get(event)
        if after is None:
            return False
        self.state = after
        self._since = now
        self._presence.forget_tries()
        return True

    def _ask_anew(self, now: float, *, restarted: bool = False) -> None:
        """Begin again to ask whether the kernel is ready, unless the sockets are about to be
        replaced.
        """
        if self.is_leaving:
            return
        self._readiness = Readiness(now, self._timing, self._reached, restarted=restarted)
        self._asked_on_shell_at = None
        self._has_warned = False
        self._has_supposed = False

    def _leave(self, now: float) -> list[Action]:
        """Take the kernel for gone: iopub's connection ended, or its ports refuse."""
        if self.takes_requests or self.state is State.ENDING:
            self._become(Event.ENDED, now)
            return self._depart()
        self._disbelieve(now)
        return []

    def _disbelieve(self, now: float) -> None:
        """A kernel that had not become ready is gone: what it answered does not count."""
        if self._readiness is not None:
            self._readiness = Readiness(now, self._timing, self._reached)

    def _depart(self) -> list[Action]:
        if self.is_leaving:
            return []
        self.is_leaving = True
        self._readiness = None
        return [Leave()]

    def _proceed(
        self, readiness: Readiness, now: float, settled: Sequence[Action] = ()
    ) -> list[Action]:
        """Change the state as far as readiness has come, and return the actions. Those in
        ``settled`` are among them in any case.
        """
        before, is_first = self.state, not self.has_served
        event = _ARRIVALS.get(readiness.progress(now))
        if event is Event.HEARD and not is_first:
            event = None  # Output without a reply may be the last words of the kernel before.
        if event is None or not self._become(event, now):
            return [*settled]
        actions = [*self._greet(before, is_first=is_first), *settled]
        self.was_used = self.has_served = True
        self._succession.on_served()
        if self.state is State.BUSY:
            actions.append(Suppose())
        if before not in READY:
            actions.append(Open())
        return actions

    def _greet(self, before: State, *, is_first: bool) -> list[Action]:
        """Return what clients are told when a kernel is back or has replaced another; ``before`` is
        the state until now.
        """
        if before not in (State.GONE, State.DEAD, State.ENDING):
            return []
        if self._succession.is_same:
            return [Announce("idle")] if before is State.DEAD else []
        lost = Lose("the kernel was replaced by another one")
        if before is State.ENDING:
            return [lost]  # Somebody asked for another kernel: that it came is no news.
        reason = "the kernel is there now" if is_first else "another kernel has taken its place"
        return [Announce("restarting", reason), lost, Announce("idle")]

    def _remarks(self, readiness: Readiness, now: float) -> list[Action]:
        """Return what clients are told while the kernel is not ready: why, or that it is busy."""
        channel = readiness.cut_off(now)
        if channel is not None:
            return self._warn(CUT_OFF.format(channel=channel))
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

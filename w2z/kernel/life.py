"""The life of one kernel after another, as one state machine.

Rules:

1. Whether clients' requests may go to the kernel is a question of the state alone
   (:data:`TAKES_REQUESTS`). Nothing else anywhere remembers an answer to it.
2. A state becomes another only by :data:`TRANSITIONS`. An event that has no entry for the present
   state changes nothing, whenever it comes.
3. What there is to do about an event is returned, in the order in which it has to be done:
   requests that are lost are answered before clients hear of the new kernel, and they hear of it
   before its first request. The caller does it; here nothing is done.
4. Time is passed in, in seconds of a clock that does not jump.

A kernel is *owned* when w2z started it: then its process tells when it ends. Of any other its
sockets tell: it has *hung up* when the connection to its iopub ended, and it is *dead* when, after
that, nobody listens at its ports for a while. Silence alone proves nothing: a kernel may be
stopped, or busy in code that holds its interpreter.
"""

from __future__ import annotations

from enum import Enum

from w2z.kernel.actions import (
    Action,
    Announce,
    Ask,
    Beat,
    Found,
    Leave,
    Lose,
    Open,
    Probe,
    Ready,
    Relink,
    Settle,
    Suppose,
    Warn,
)
from w2z.kernel.readiness import Progress, Readiness
from w2z.message import Channel
from w2z.timing import Timing

ANYBODY = object()
"""Stands for the session of a kernel that was told to end before it had answered."""

BEATS_MISSED = 3
"""Echoes in a row without which the kernel's ports are tried."""


class State(Enum):
    """What the kernel is to those who have a request for it."""

    STARTING = "nobody has answered yet"
    HEARD = "its output arrives, it has not answered; no kernel preceded it"
    READY = "it answers, and its output arrives"
    BUSY = "it is ready, and was busy with something when w2z came"
    ENDING = "somebody asked for its end; another may come"
    GONE = "it has ended or hung up; it or another may come back"
    DEAD = "clients were told that it is dead"


class Event(Enum):
    """What can happen to a kernel."""

    HEARD = "its output arrives"
    ANSWERED = "it answered, on shell too"
    ANSWERED_BESIDE = "it answered, on control only"
    ASKED_TO_END = "somebody asked for its end"
    STAYED = "it was asked to end, and no other took its place in time"
    ENDED = "it hung up, or its process ended"
    ABANDONED = "nobody has listened at its ports for long"
    STARTED = "w2z started another process"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.STARTING: {
        Event.HEARD: State.HEARD,
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ABANDONED: State.DEAD,
    },
    State.HEARD: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.READY: {
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.BUSY: {
        Event.ANSWERED: State.READY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.ENDING: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.STAYED: State.GONE,
        Event.STARTED: State.STARTING,
    },
    State.GONE: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ABANDONED: State.DEAD,
        Event.STARTED: State.STARTING,
    },
    State.DEAD: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.STARTED: State.STARTING,
    },
}

TAKES_REQUESTS = frozenset({State.HEARD, State.READY, State.BUSY})
"""States in which clients' requests go to the kernel; in the others they wait."""

READY = frozenset({State.READY, State.BUSY})
"""States in which the kernel has answered and its output arrives."""


class Pulse:
    """Whether a kernel that has a heartbeat (some have none at first, or ever) still answers it."""

    def __init__(self) -> None:
        self._unanswered = 0
        self._ever_answered = False

    def on_beat(self) -> None:
        """A heartbeat was sent."""
        self._unanswered += 1

    def on_echo(self) -> None:
        """The kernel's heartbeat answered."""
        self._unanswered = 0
        self._ever_answered = True

    def forgive(self) -> None:
        """What was not answered until now does not count."""
        self._unanswered = 0

    @property
    def is_missed(self) -> bool:
        """Whether it is overdue."""
        return self._ever_answered and self._unanswered > BEATS_MISSED


class Life:
    """The state of the kernel, and what there is to do about what happens to it.

    ``own_session`` is in the headers of w2z's own requests: some kernels put it into their answers
    instead of a session of their own.
    """

    def __init__(self, now: float, timing: Timing, *, is_owned: bool, own_session: str) -> None:
        self.state = State.STARTING
        self._timing = timing
        self._is_owned = is_owned
        self._own_session = own_session
        self._since = now
        # The kernel that is asked whether it is ready.
        self._readiness = Readiness(now, timing)
        self._is_asked = True
        self._is_first = True
        self._was_used = False
        self._asked_on_shell_at: float | None = None
        # Which kernel it is, by the session in the headers of its answers.
        self._session: object = None
        self._session_before: object = None
        self._passed_over: object = None
        # Whether it is there.
        self._pulse = Pulse()
        self._beat_at = now
        self._probe_at = now
        self._probes = 0
        self._refused_since: float | None = None
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
    def was_used(self) -> bool:
        """Whether requests may have gone to this kernel since it was started."""
        return self._was_used

    @property
    def has_served(self) -> bool:
        """Whether requests may have gone to this kernel, or to any before it."""
        return not self._is_first

    @property
    def misses_beats(self) -> bool:
        """Whether the kernel does not answer heartbeats any more; busy ones may not."""
        return self._pulse.is_missed

    @property
    def session(self) -> str | None:
        """The session in the headers of the kernel's own messages, once it is known."""
        return self._session if isinstance(self._session, str) and self._session else None

    # What happens.

    def on_reached(self, now: float) -> list[Action]:
        """The iopub socket is connected to the kernel."""
        self._readiness.on_reached()
        return self._proceed(now)

    def on_iopub(self, now: float) -> list[Action]:
        """Something arrived on iopub. It matters only while the kernel is not ready."""
        self._readiness.on_iopub()
        return self._proceed(now)

    def passes_over(self, session: object) -> bool:
        """Whether this is the session of the kernel that was told to end: its word does not count
        any more.
        """
        return self._passed_over is ANYBODY or (
            self._passed_over is not None and session == self._passed_over
        )

    def on_goodbye(self, session: object) -> list[Action]:
        """The kernel answered w2z's ``shutdown_request``: now it is known who is to go."""
        if self._passed_over is ANYBODY:
            self._passed_over = session
        return []

    def on_info_reply(self, channel: Channel, session: object, now: float) -> list[Action]:
        """A reply to w2z's own ``kernel_info_request`` arrived, with this session in its header."""
        if self.passes_over(session):
            return []
        self._passed_over = None
        self._session = session
        self._readiness.on_reply(channel, now)
        settled: list[Action] = []
        if channel is Channel.SHELL and self._asked_on_shell_at is not None:
            settled = [Settle(self._asked_on_shell_at)]
            self._asked_on_shell_at = None
        return self._proceed(now) + settled

    def on_echo(self) -> list[Action]:
        """The kernel's heartbeat answered."""
        self._pulse.on_echo()
        return []

    def on_hung_up(self, now: float) -> list[Action]:
        """The connection to the kernel's iopub ended. Of an owned kernel the process tells more."""
        if self._is_owned:
            return []
        if self.state is State.STARTING:
            # It had not begun; what it may have answered counts for nothing.
            self._readiness = Readiness(now, self._timing)
            return []
        if self.state not in TAKES_REQUESTS and self.state is not State.ENDING:
            return []
        self._become(Event.ENDED, now)
        self._is_asked = False
        return [Leave()]

    def on_probe(self, number: int, found: Found, now: float) -> list[Action]:
        """An attempt to connect came to something; one that the kernel's life overtook is void."""
        if number != self._probes:
            return []
        is_unknown = self.state in (State.GONE, State.STARTING)
        if found is Found.LISTENING or (found is Found.NO_ANSWER and not is_unknown):
            self._refused_since = None
            return []
        if self.state in TAKES_REQUESTS:
            return self.on_hung_up(now)
        if self._refused_since is None:
            self._refused_since = now
        if self.state is State.GONE and now >= self._since + self._timing.dead_after:
            return self._die("the kernel ended", now)
        if self.state is not State.STARTING:
            return []
        if now >= self._refused_since + self._timing.never_there:
            return self._die("nobody listens where the connection file says", now)
        if now >= self._refused_since + self._timing.nobody_after:
            return self._warn("nobody listens at {shell} (shell)")
        return []

    def ask_to_end(self, now: float) -> list[Action]:
        """Somebody asked for the kernel's end: requests wait for the next one."""
        if self._become(Event.ASKED_TO_END, now):
            self._is_asked = False
        return []

    def expect_another(self, now: float) -> list[Action]:
        """The kernel is about to be told to end: only a process other than it counts as ready."""
        self._passed_over = ANYBODY if self._session is None else self._session
        self._ask_anew(Readiness(now, self._timing, restarted=True))
        return []

    def stay(self, now: float) -> list[Action]:
        """No other kernel came in time: what answers now is ready again, whoever it is."""
        self._passed_over = None
        self._become(Event.STAYED, now)
        return []

    def on_connected(self, now: float) -> list[Action]:
        """The sockets are others, and lead to whoever is there next."""
        self._passed_over = None
        self._probe_at = now
        self._refused_since = None
        self._pulse.forgive()
        self._ask_anew(Readiness(now, self._timing))
        return []

    def on_started(self, now: float) -> list[Action]:
        """w2z started a process; the sockets lead to where it will listen."""
        self._become(Event.STARTED, now)
        self._was_used = False
        self._pulse = Pulse()
        return self.on_connected(now)

    def on_ended(self, now: float) -> list[Action]:
        """The process of an owned kernel ended; what that means is its keeper's to know."""
        self._become(Event.ENDED, now)
        self._is_asked = False
        return []

    def poll(self, now: float) -> list[Action]:
        """What is due now; ask several times a second."""
        actions: list[Action] = []
        if self._is_asked and not self.is_ready:
            actions += self._asks(now)
            actions += self._proceed(now)
            actions += self._remarks(now)
        return actions + self._checks(now)

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
        # What was tried before says nothing about now.
        self._probes += 1
        if after in TAKES_REQUESTS:
            self._was_used = True
            self._is_first = False
        return True

    def _ask_anew(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._session_before = self._session
        self._asked_on_shell_at = None
        self._is_asked = True
        self._has_warned = False
        self._has_supposed = False

    def _proceed(self, now: float) -> list[Action]:
        """Become ready, as far as that is known by now."""
        if not self._is_asked:
            # What arrives is the last words of one that is to go, or has gone.
            return []
        progress = self._readiness.progress(now)
        before = self.state
        if progress is Progress.READY:
            self._become(Event.ANSWERED, now)
        elif progress is Progress.BESIDE:
            self._become(Event.ANSWERED_BESIDE, now)
        elif progress is Progress.HEARD and self._is_first:
            self._become(Event.HEARD, now)
        return [] if self.state is before else self._arrive(before)

    def _arrive(self, before: State) -> list[Action]:
        """What there is to do where the kernel has just come to take requests, or to be ready."""
        actions: list[Action] = []
        if before in (State.GONE, State.DEAD, State.ENDING):
            is_same = self._session == self._session_before not in (None, self._own_session)
            if not is_same:
                actions.append(Lose("the kernel was replaced by another one"))
                if before is not State.ENDING:
                    # What the one before was running when it went has no end of its own.
                    actions.append(Announce("restarting", "another kernel has taken its place"))
            if before is not State.ENDING and (not is_same or before is State.DEAD):
                actions.append(Announce("idle"))
        if self.state is State.BUSY:
            actions.append(Suppose())
        if self.is_ready and before not in READY:
            actions.append(Ready(self._readiness.is_silent))
        if before not in TAKES_REQUESTS:
            actions.append(Open())
        return actions

    def _asks(self, now: float) -> list[Action]:
        channels = self._readiness.poll(now)
        if Channel.SHELL in channels and self._asked_on_shell_at is None:
            self._asked_on_shell_at = now
        return [Ask(channel) for channel in channels]

    def _remarks(self, now: float) -> list[Action]:
        """Why the kernel is not ready."""
        if self._readiness.is_cut_off(now):
            return self._warn("the kernel answers, but nobody can be reached at {iopub} (iopub)")
        is_late = not self._is_owned and self._readiness.is_unanswered(now)
        if is_late and not self._has_supposed and self.state in (State.STARTING, State.HEARD):
            self._has_supposed = True
            return [Suppose()]
        return []

    def _checks(self, now: float) -> list[Action]:
        """Look after a kernel that is there, and for one that is not."""
        if self.state in TAKES_REQUESTS:
            return self._beats(now)
        is_waited_for = self.state is State.STARTING and not self._readiness.is_reached
        is_missed = self.state is State.GONE and now >= self._since + self._timing.dead_after
        if self._is_owned or not (is_waited_for or is_missed) or now < self._probe_at:
            return []
        self._probe_at = now + self._timing.probe_every
        return [Probe(self._probes)]

    def _beats(self, now: float) -> list[Action]:
        if now < self._beat_at:
            return []
        self._beat_at = now + self._timing.beat_every
        self._pulse.on_beat()
        if self._pulse.is_missed and not self._is_owned:
            return [Beat(), Probe(self._probes)]
        return [Beat()]

    def _warn(self, text: str) -> list[Action]:
        if self._has_warned:
            return []
        self._has_warned = True
        return [Warn(text)]

    def _die(self, reason: str, now: float) -> list[Action]:
        self._become(Event.ABANDONED, now)
        return [Relink(), Lose(reason), Announce("dead", reason)]

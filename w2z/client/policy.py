"""What `w2z attach` does about requests, signals and states that are meant for a kernel.

Two modes. As *one kernel*, attach is what a frontend started as its kernel (the argv of a
kernelspec): it ends when a local kernel's process would. As a *command* it was started by a person,
for clients that connect to an existing kernel: it stays as long as there may be a kernel again.

Control requests. Every other request on control is passed on.

===================  ===========  ===========  =============================================
request              restart      on_shutdown  what attach does
===================  ===========  ===========  =============================================
interrupt_request    --           any          asks w2z for it, which knows what each kernel
                                               takes, and answers with the outcome. As one
                                               kernel that stays, only if no shutdown_request
                                               comes right behind it: jupyter_client interrupts
                                               before each, and the running cell may go on
shutdown_request     false        detach       answers, and ends; the kernel stays as it is
shutdown_request     false        stop         passes it on, and ends with the answer
shutdown_request     true         any          passes it on; as one kernel it ends when the
                                               kernel has, because its frontend starts the next;
                                               with ``on_start=restart``, and with a container
                                               of its own, that one is fresh anyway, so attach
                                               only answers and ends
===================  ===========  ===========  =============================================

Signals.

=======  ================================================================================
signal   what attach does
=======  ================================================================================
SIGINT   interrupts the kernel. On a terminal it ends, and leaves the kernel alone, at the
         second within a second, and at the first while there is no connection
SIGTERM  as shutdown_request without restart; while it is ending already, it ends at once
SIGHUP   ends; the kernel stays as it is
=======  ================================================================================

States that w2z or a Jupyter server announces for the kernel: a status without a parent.

===========================  ==============================================================
execution_state              what attach does
===========================  ==============================================================
restarting, autorestarting   as one kernel it ends: the frontend learns so, and starts anew.
                             Not before the kernel has answered something: it may be the
                             restart because of which this attach was started
dead                         as one kernel it ends. As a command it stays and answers no
                             heartbeat until there is another state
any other                    nothing
===========================  ==============================================================

As one kernel, attach keeps these announcements of an end to itself, as a local kernel says nothing
of its own. The frontend sees the process end, and says what that means. JupyterLab would say a
second time that the kernel died, and would say so of a restart that its user asked for.

An end that somebody asked for has the exit code 0, and so has that of a kernel which ended by
itself with 0 (``exit()`` in a console). What ends the connection for good has a code of its own
(:mod:`w2z.errors`).
"""

from __future__ import annotations

from enum import Enum, auto
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Literal, NamedTuple

from w2z.errors import ENDED_BY_SIGNAL, ExitCode

OnStart = Literal["attach", "restart"]
"""What a start means for a kernel that runs already: use it as it is, or restart it first."""

OnShutdown = Literal["detach", "stop"]
"""What the end means for the kernel: it stays, or it is asked to end."""

TWICE_WITHIN = 1.0
"""Seconds between two SIGINT of a person who means attach itself, and not the running cell."""

STARTS_ANEW = frozenset({"restarting", "autorestarting"})
"""The states of a kernel that is replaced by another."""

IN_ORDER = "exit code 0"
"""How the ``reason`` of w2z's status *dead* ends if the kernel ended by itself and in order."""


SHUTDOWN_FOLLOWS = 0.1
"""Seconds in which a ``shutdown_request`` comes that belongs to an ``interrupt_request``."""


class Do(Enum):
    """What is to be done."""

    NOTHING = auto()
    PASS_ON = auto()
    """Send the request to the kernel."""
    PASS_ON_AND_LEAVE = auto()
    """Send the request to the kernel, hand its reply on, and end."""
    PASS_ON_AND_FOLLOW = auto()
    """Send the request to the kernel, hand its reply on, and end when the kernel has ended."""
    ANSWER_AND_LEAVE = auto()
    """Answer the request in the kernel's place, and end."""
    INTERRUPT = auto()
    """Ask w2z to interrupt the kernel; who asked for it hears the outcome."""
    STOP_AND_LEAVE = auto()
    """Send the kernel a ``shutdown_request`` of attach's own, and end with its reply."""
    LEAVE = auto()
    """End now."""


class Step(NamedTuple):
    """What is to be done, and the exit code of an attach that ends with it.

    It is done after ``pause`` seconds, unless attach ends before.
    """

    do: Do
    exit_code: int = ExitCode.OK
    pause: float = 0


NOTHING = Step(Do.NOTHING)


class Policy:
    """Decides for one attach.

    ``is_fresh`` says that each attach has a kernel of its own; ``is_terminal`` that signals come
    from a person at one.
    """

    def __init__(
        self,
        *,
        one_kernel: bool,
        on_start: OnStart = "attach",
        on_shutdown: OnShutdown = "detach",
        is_fresh: bool = False,
        is_terminal: bool = False,
    ) -> None:
        self._one_kernel = one_kernel
        self._is_fresh = is_fresh
        self._comes_anew = is_fresh or on_start == "restart"
        self._on_shutdown = on_shutdown
        self._is_terminal = is_terminal
        self._interrupted_at: float | None = None
        self.is_leaving = False
        """Whether an end was asked for, and only waits for the kernel's reply."""
        self.has_answered = False
        """Whether the kernel has answered a request; the caller says so."""
        self.is_dead = False
        """Whether the kernel was announced to be dead, and nothing since."""

    def on_control(self, msg_type: str, *, restart: bool = False) -> Step:
        """Decide about a request on control; ``restart`` is that of a ``shutdown_request``."""
        if msg_type == "interrupt_request":
            stays = self._on_shutdown == "detach" and not self._is_fresh
            waits = self._one_kernel and stays
            return Step(Do.INTERRUPT, pause=SHUTDOWN_FOLLOWS if waits else 0)
        if msg_type != "shutdown_request":
            return Step(Do.PASS_ON)
        if restart and not self._one_kernel:
            return Step(Do.PASS_ON)
        self.is_leaving = True
        if restart:
            return Step(Do.ANSWER_AND_LEAVE if self._comes_anew else Do.PASS_ON_AND_FOLLOW)
        stops = self._on_shutdown == "stop"
        return Step(Do.PASS_ON_AND_LEAVE if stops else Do.ANSWER_AND_LEAVE)

    def on_signal(self, number: int, now: float, *, is_connected: bool) -> Step:
        """Decide about a signal that came at ``now``, in seconds of a monotonic clock."""
        leave = Step(Do.LEAVE, ENDED_BY_SIGNAL + number)
        if number == SIGINT:
            before, self._interrupted_at = self._interrupted_at, now
            is_second = before is not None and now - before < TWICE_WITHIN
            if self._is_terminal and (is_second or not is_connected):
                return leave
            return Step(Do.INTERRUPT)
        if number == SIGTERM and self._on_shutdown == "stop" and not self.is_leaving:
            self.is_leaving = True
            return leave._replace(do=Do.STOP_AND_LEAVE)
        return leave if number in (SIGTERM, SIGHUP) else NOTHING

    def is_for_clients(self, state: str) -> bool:
        """Whether local clients hear of an announced state."""
        return not (self._one_kernel and (state == "dead" or state in STARTS_ANEW))

    def on_status(self, state: str, reason: str = "") -> Step:
        """Decide about a status without a parent, and the ``reason`` that w2z gave for it."""
        self.is_dead = state == "dead"
        is_over = self.is_dead or (state in STARTS_ANEW and (self.has_answered or self.is_leaving))
        if not (is_over and self._one_kernel):
            return NOTHING
        in_order = self.is_leaving or (self.is_dead and reason.endswith(IN_ORDER))
        self.is_leaving = True
        return Step(Do.LEAVE, ExitCode.OK if in_order else ExitCode.KERNEL_DEAD)

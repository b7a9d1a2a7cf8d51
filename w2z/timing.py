"""The durations that are not settings, in one record; tests pass shorter ones.

All are in seconds, on a clock that does not jump.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long w2z waits for kernels and clients, and how often it checks them."""

    tick: float = 0.1
    """Pause between checks of a kernel that is not ready."""

    look: float = 0.25
    """Pause between checks of a ready kernel, and longest pause between looks at its connection
    file.
    """

    busy_for: float = 0.2
    """How long a kernel is busy before w2z answers a ``kernel_info_request`` in its place: most are
    idle again sooner.
    """

    # From connected to ready.

    ask_again: float = 0.1
    """Pause after a ``kernel_info_reply`` before the next request, while no output has come: the
    next request's statuses show that iopub is connected.
    """

    grace: float = 5.0
    """After this a kernel that answers counts as ready though its connected iopub is silent: some
    kernels never send anything there. An iopub that is not connected is reported after this.
    """

    left_alone: float = 1.0
    """Pause before the first request after a kernel was told to end: ipykernel hangs for ever if a
    request comes between the end of its output and the end of its control thread.
    """

    first_repeat: float = 1.0
    last_repeat: float = 60.0
    """First and longest pause before an unanswered ``kernel_info_request`` is repeated. The pause
    doubles each time, because the requests queue up in a busy kernel's shell.
    """

    shell_grace: float = 0.5
    """Time for a kernel that replied on control to reply on shell; a later one counts as busy."""

    unanswered: float = 2.0
    """After this an attached kernel that is reached and answers nothing counts as busy: a kernel
    that is still starting seldom takes longer.
    """

    doubt_busy: float = 30.0
    """After this a busy kernel that is silent on iopub is asked on shell: its answer proves that it
    is idle, in case the message that said so was lost.
    """

    idle_late: float = 1.0
    """An ``idle`` may arrive so much later than a reply to a request behind it: they come over two
    connections. After this it counts as lost.
    """

    # Whether the kernel is still there.

    beat_every: float = 3.0
    """Pause between beats, as in jupyter_client."""

    probe_every: float = 1.0
    """Pause between probes while no kernel is there."""

    probe_timeout: float = 1.0
    """Time for a probe to connect; a port that takes longer has not refused."""

    dead_after: float = 3.0
    """Time for a kernel that hung up, or another one, to be back before w2z tells clients that the
    kernel is dead: frontends then give up, and supervisors take a moment to start a kernel.
    """

    nobody_after: float = 2.0
    """If the ports of a kernel that was never there refuse connections for this long, w2z logs that
    and tells clients.
    """

    never_there: float = 10.0
    """If they refuse for this long, the kernel is dead. Before, it may just be slow to start."""

    last_words: float = 1.0
    """Time for the connection of an attached kernel that hung up to end; its last words then have
    up to ten times as long to arrive.
    """

    # What w2z asks of the kernel.

    interrupt: float = 5.0
    """Time for a kernel to answer an ``interrupt_request``; it does so at once or never."""

    stops_within: float = 2.0
    """Time for an interrupted kernel to become idle, if its implementation is not known to w2z."""

    end: float = 5.0
    """Time for an attached kernel to answer a ``shutdown_request``."""

    restart: float = 60.0
    """Time for the kernel that replaces an attached one to be ready. Slow kernels take half of it
    to start.
    """

    # Clients and their requests.

    specs_wait: float = 10.0
    """How long a request for kernelspecs waits for the kernel to be ready."""

    crowd: float = 30.0
    """Time for the longest unfinished message to be completed while others wait for it: 64 MiB at
    20 Mbit/s.
    """

    unread: float = 30.0
    """After this an HTTP peer that takes nothing of its answers is cut off: longer than a phone is
    without a network between two mobile cells, shorter than proxies themselves wait.
    """

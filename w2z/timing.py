"""Durations that nobody has to set, in one record; tests pass shorter ones.

All of them are seconds of a clock that does not jump.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long w2z waits for kernels and clients, and how often it looks."""

    tick: float = 0.1
    """Between looks at the clock while a kernel is not ready."""

    look: float = 0.25
    """Between looks at the connection file, and at a kernel that is ready."""

    busy_for: float = 0.2
    """A kernel has been busy before w2z answers in its place: most are idle again sooner."""

    # From connected to ready.

    ask_again: float = 0.1
    """After a reply without output: the next request's statuses show that iopub is connected."""

    grace: float = 5.0
    """A kernel that answers, whose iopub is connected and says nothing, is ready after this: some
    kernels never say a word there.
    """

    left_alone: float = 1.0
    """A kernel that was told to end is not asked anything: ipykernel hangs for ever when a request
    comes between the end of its output and that of its control thread.
    """

    first_repeat: float = 1.0
    last_repeat: float = 60.0
    """Unanswered requests are repeated ever more slowly: they queue up in a busy kernel's shell."""

    shell_grace: float = 0.5
    """After a reply on control, until a kernel that has not replied on shell counts as busy."""

    unanswered: float = 2.0
    """A kernel that listens and has not answered anything counts as busy after this, where w2z did
    not start it: those that are still starting are seldom slower.
    """

    doubt_busy: float = 30.0
    """A kernel that is busy and says nothing on iopub is asked on shell after this: the answer
    proves that it is idle, in case the message that said so was lost.
    """

    # Whether it is still there.

    beat_every: float = 3.0
    """Between heartbeats that w2z itself asks for, as jupyter_client does."""

    probe_every: float = 1.0
    """Between looks whether anybody listens at the kernel's ports."""

    probe_timeout: float = 1.0
    """To connect to a port of the kernel; one that takes longer has not refused."""

    dead_after: float = 3.0
    """A kernel that hung up has to be back, itself or another, before clients are told that it is
    dead: frontends give up at that word, and supervisors take a moment.
    """

    nobody_after: float = 2.0
    """A kernel that never was there and refuses connections: then the log and clients are told."""

    never_there: float = 10.0
    """The same kernel is called dead after this: it may just be slow to start."""

    last_words: float = 1.0
    """To carry what a kernel that hung up said last."""

    # What w2z asks of it.

    interrupt: float = 5.0
    """A kernel has to answer an interrupt_request; it does so at once or never."""

    stops_within: float = 2.0
    """A kernel nobody knows has to prove that it was interrupted."""

    end: float = 5.0
    """An attached kernel has to answer a shutdown_request."""

    restart: float = 60.0
    """Another kernel has to be there after a restart: slow ones take half of it to start."""

    # Clients and their requests.

    specs_wait: float = 10.0
    """A request for kernelspecs waits for the kernel to say what it is."""

    unread: float = 30.0
    """A peer that takes nothing of the answers it asked for is cut after this: longer than a phone
    is without a network between two cells, shorter than proxies wait themselves.
    """

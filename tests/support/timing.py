"""Durations that tests want shorter than the product's own, by name.

STAND-IN: to be replaced by the product's own frozen ``Timing``, passed on by
:func:`tests.support.serving.serving`. Until then each name stands for a constant of a module,
which is patched meanwhile: here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pytest


@dataclass(frozen=True)
class Timing:
    """Every duration in seconds; the defaults are the product's own."""

    look: float = 0.25
    """Between looks at the connection file and at the attached kernel."""
    tick: float = 0.1
    """Between looks at the clock while the kernel is not ready."""
    first_repeat: float = 1.0
    """Until an unanswered kernel_info_request is repeated the first time."""
    left_alone: float = 1.0
    """In which a kernel that was told to end is asked nothing."""
    grace: float = 5.0
    """After which a kernel that answers is ready although it is silent on iopub."""
    beat_every: float = 3.0
    """Between heartbeats that w2z itself asks for."""
    probe_every: float = 1.0
    """Between looks whether a kernel that hung up refuses connections."""
    probe_timeout: float = 1.0
    """In which a port of the kernel has to refuse a connection to count as refusing."""
    dead_after: float = 3.0
    """Which a kernel may be gone before it is called dead; also one that never was there."""
    busy_for: float = 0.2
    """Which a kernel has been busy before w2z answers in its place."""
    unanswered: float = 0.5
    """After which a kernel that does not answer on shell counts as busy."""
    restart_timeout: float = 60.0
    """Which another kernel has to be there after a restart was asked for."""
    end_timeout: float = 5.0
    """Which a kernel has to answer a shutdown_request."""
    interrupt_timeout: float = 5.0
    """Which a kernel has to answer an interrupt_request."""
    specs_wait: float = 10.0
    """Which a request for kernelspecs waits for the kernel to say what it is."""
    shutdown: float = 3.0
    """Which clients and requests under way have at the end of w2z."""
    close_timeout: float = 5.0
    """Which a peer has to answer a close frame."""
    unread: float = 30.0
    """After which an HTTP connection ends whose peer takes nothing of what it asked for."""


QUICK = Timing(
    look=0.002,
    tick=0.002,
    first_repeat=0.01,
    left_alone=0,
    beat_every=0.02,
    probe_every=0.01,
    dead_after=0.05,
)
"""Everything about an attached kernel happens soon, in the proportions of the real times."""

_TODAY = {
    "look": "w2z.kernel.attached.LOOK",
    "tick": "w2z.kernel.conversation.TICK",
    "first_repeat": "w2z.kernel.lifecycle.FIRST_REPEAT",
    "left_alone": "w2z.kernel.lifecycle.LEFT_ALONE",
    "grace": "w2z.kernel.lifecycle.GRACE",
    "beat_every": "w2z.kernel.policy.BEAT_EVERY",
    "probe_every": "w2z.kernel.policy.PROBE_EVERY",
    "probe_timeout": "w2z.kernel.probe.PROBE_TIMEOUT",
    "dead_after": "w2z.kernel.policy.DEAD_AFTER",
    "busy_for": "w2z.bridge.BUSY_FOR",
    "restart_timeout": "w2z.kernel.keeper.RESTART_TIMEOUT",
    "end_timeout": "w2z.kernel.attached.END_TIMEOUT",
    "interrupt_timeout": "w2z.kernel.keeper.INTERRUPT_TIMEOUT",
    "specs_wait": "w2z.server.kernelspecs.READY_TIMEOUT",
    "shutdown": "w2z.server.listener.SHUTDOWN_TIMEOUT",
    "close_timeout": "w2z.server.websocket.CLOSE_TIMEOUT",
}
"""Where today's product keeps them; it has none of the others."""


@contextmanager
def applied(timing: Timing) -> Iterator[None]:
    """Let the product go by these durations until the end of this."""
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in asdict(timing).items():
            if name in _TODAY and seconds != getattr(Timing(), name):
                patch.setattr(_TODAY[name], seconds)
        yield

"""The time that w2z takes to end: every step of it, in one place.

A platform that stops a container waits for a while, Docker for ten seconds, and then kills every
process that is left. A kernel that is killed in the middle of its end loses what it was about to
write. So the end of w2z has to fit into that time. Every wait at the end of w2z takes its seconds
from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from w2z.kernel.keeping.ending import Ending
from w2z.kernel.sockets.channels import LINGER_MS
from w2z.settings import Settings

INTERRUPT = 0.5
LAST_WORDS = 0.5
LEFTOVERS = 0.25
OUTPUT = 0.15
ROUTE = 1.0
CLIENTS = 1.75
KILL = 0.25
LOG = 0.1


@dataclass(frozen=True)
class ShutdownBudget:
    """The seconds of each step from the reason to end until the process ends, in order.

    Each is an upper bound: w2z goes on as soon as a step is done.
    """

    ending: Ending
    """For the end of a launched kernel. An attached kernel is left running and takes no time."""

    route: float
    """For the proxy to remove w2z's route, while the kernel ends."""

    clients: float
    """For clients to answer the close of their websockets, and for HTTP requests to be answered."""

    linger: float
    """For the last messages to the kernel to leave the sockets."""

    kill: float
    """For the processes that are left below w2z to be gone after SIGKILL."""

    log: float
    """For the last lines of the log and of the audit log to be written."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the budget: ``--shutdown-timeout``, ``--terminate-timeout`` and fixed seconds."""
        return cls(
            ending=Ending(
                interrupt=INTERRUPT,
                shutdown=settings.shutdown_timeout,
                terminate=settings.terminate_timeout,
                kill=KILL,
                last_words=LAST_WORDS,
                leftovers=LEFTOVERS,
                output=OUTPUT,
            ),
            route=ROUTE,
            clients=CLIENTS,
            linger=LINGER_MS / 1000,
            kill=KILL,
            log=LOG,
        )

    @property
    def total(self) -> float:
        """The most seconds that all steps take together."""
        return (
            max(self.ending.total, self.route) + self.clients + self.linger + self.kill + self.log
        )

"""The time w2z takes to end: all of it, in one place.

A platform that stops a container waits for a while, Docker for ten seconds, and then kills what is
left. A kernel that is killed in the middle of its end loses what it was about to write, so the end
of w2z has to fit into that time. Whoever waits for something at the end gets its seconds from here.
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
OUTPUT = 0.25
ROUTE = 1.0
CLIENTS = 2.0
KILL = 0.25


@dataclass(frozen=True)
class ShutdownBudget:
    """The seconds of each step between the wish to end and the process' own end, in their order.

    Each is an upper bound: w2z goes on as soon as a step is done.
    """

    ending: Ending
    """The kernel's end, where w2z started it; an attached one is left alone, and takes no time."""

    route: float
    """The proxy takes w2z's route away, while the kernel ends."""

    clients: float
    """Clients answer the close of their websocket, and requests get their answers."""

    linger: float
    """What was sent to the kernel last leaves the sockets."""

    kill: float
    """Every process below w2z that is still there is gone after SIGKILL."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The budget for ``--shutdown-timeout`` and ``--terminate-timeout``; the rest is fixed."""
        return cls(
            ending=Ending(
                interrupt=INTERRUPT,
                shutdown=settings.shutdown_timeout,
                terminate=settings.terminate_timeout,
                last_words=LAST_WORDS,
                leftovers=LEFTOVERS,
                output=OUTPUT,
            ),
            route=ROUTE,
            clients=CLIENTS,
            linger=LINGER_MS / 1000,
            kill=KILL,
        )

    @property
    def total(self) -> float:
        """The most that all of it takes."""
        return max(self.ending.total, self.route) + self.clients + self.linger + self.kill

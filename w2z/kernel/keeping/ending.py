"""How long a kernel that w2z starts may take to end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """The seconds of a kernel's end, step by step in their order; no step takes longer."""

    interrupt: float
    """A busy kernel stops what it runs, so that the client who asked for that gets a reply."""

    shutdown: float
    """It ends by itself after a ``shutdown_request``; SIGTERM follows."""

    terminate: float
    """It ends after SIGTERM; SIGKILL follows."""

    last_words: float
    """The end of its connections is noticed, and with it what it said last."""

    leftovers: float
    """The processes it left in its process group end after SIGTERM; SIGKILL follows."""

    output: float
    """What it printed last is passed on."""

    @property
    def total(self) -> float:
        """The seconds of all steps."""
        return (
            self.interrupt
            + self.shutdown
            + self.terminate
            + self.last_words
            + self.leftovers
            + self.output
        )

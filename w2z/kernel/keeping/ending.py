"""How long a kernel that w2z starts may take to end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """The most seconds that each step of a kernel's end takes, in the order of the steps."""

    interrupt: float
    """For a busy kernel to stop what it runs, so that the client waiting for that gets a reply."""

    shutdown: float
    """For the kernel to end by itself after a ``shutdown_request``; SIGTERM follows."""

    terminate: float
    """For the kernel to end after SIGTERM; SIGKILL follows."""

    kill: float
    """For the system to end the kernel after SIGKILL; then w2z ends without it."""

    last_words: float
    """To notice that the kernel's connections ended, and as long again to receive its last words.
    Where w2z itself goes on, these steps may take longer.
    """

    leftovers: float
    """For processes left in its process group to end after SIGTERM; SIGKILL follows."""

    output: float
    """To pass on what the kernel printed last."""

    @property
    def total(self) -> float:
        """The sum of all steps, in seconds."""
        return (
            self.interrupt
            + self.shutdown
            + self.terminate
            + self.kill
            + self.last_words
            + self.leftovers
            + self.output
        )

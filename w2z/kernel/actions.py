"""The actions that :mod:`w2z.kernel.life` returns for events; :mod:`w2z.kernel.kernel` does them.

Each class docstring says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from w2z.message import Channel


class Found(Enum):
    """The result of a probe."""

    LISTENING = "somebody listens"
    REFUSED = "nobody listens, or there is no way there"
    NO_ANSWER = "nothing came back"


@dataclass(frozen=True)
class Ask:
    """Send a ``kernel_info_request`` on the channel."""

    channel: Channel


@dataclass(frozen=True)
class Beat:
    """Send a beat."""


@dataclass(frozen=True)
class Probe:
    """Probe the kernel, and hand ``number`` and the result to :meth:`Life.on_probe`."""

    number: int


@dataclass(frozen=True)
class Leave:
    """Carry the kernel's last words, then connect to the next kernel, or keep the sockets where
    only iopub's connection ended.
    """


@dataclass(frozen=True)
class Relink:
    """Replace the sockets, so that no message under way reaches the next kernel."""


@dataclass(frozen=True)
class Lose:
    """Answer the pending requests, which are lost with the kernel; nothing counts as running."""

    reason: str


@dataclass(frozen=True)
class Announce:
    """Announce an execution state to all clients, and the reason."""

    state: str
    reason: str | None = None


@dataclass(frozen=True)
class Warn:
    """Log why the kernel is not ready, and tell clients."""

    text: str


@dataclass(frozen=True)
class Suppose:
    """Count the kernel as supposed busy, and announce that."""


@dataclass(frozen=True)
class Settle:
    """Settle what began before ``asked_at``: the kernel replied to a request that w2z sent then."""

    asked_at: float


@dataclass(frozen=True)
class Open:
    """Let requests that were refused go to the kernel now."""


Action = Ask | Beat | Probe | Leave | Relink | Lose | Announce | Warn | Suppose | Settle | Open

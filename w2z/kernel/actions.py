"""What there is to do about what happens to a kernel: the words of :mod:`w2z.kernel.life`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from w2z.message import Channel


class Found(Enum):
    """What came of an attempt to connect to the kernel's ports."""

    LISTENING = "somebody listens"
    REFUSED = "nobody listens, or there is no way there"
    NO_ANSWER = "nothing came back"


@dataclass(frozen=True)
class Ask:
    """Send a ``kernel_info_request`` on the channel."""

    channel: Channel


@dataclass(frozen=True)
class Beat:
    """Send a heartbeat."""


@dataclass(frozen=True)
class Probe:
    """Try whether somebody listens, and hand the result and ``number`` to :meth:`Life.on_probe`."""

    number: int


@dataclass(frozen=True)
class Leave:
    """Carry what the kernel said last, and connect to whoever is there next."""


@dataclass(frozen=True)
class Relink:
    """Replace the sockets: nothing that is under way may reach whoever is there next."""


@dataclass(frozen=True)
class Lose:
    """Answer the requests that were lost with the kernel: nothing of before is running."""

    reason: str


@dataclass(frozen=True)
class Announce:
    """Tell all clients an execution state that the kernel cannot tell itself, and why."""

    state: str
    reason: str | None = None


@dataclass(frozen=True)
class Warn:
    """Say in the log, and to clients, why the kernel is not ready."""

    text: str


@dataclass(frozen=True)
class Suppose:
    """The kernel is busy with something of which w2z did not see the beginning."""


@dataclass(frozen=True)
class Settle:
    """What the kernel was running when w2z asked it at ``asked_at`` has ended."""

    asked_at: float


@dataclass(frozen=True)
class Open:
    """Requests that waited may go to the kernel now."""


Action = Ask | Beat | Probe | Leave | Relink | Lose | Announce | Warn | Suppose | Settle | Open

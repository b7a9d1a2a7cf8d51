"""How one attach behaves, and what it tells a person of itself."""

from __future__ import annotations

from dataclasses import dataclass

from w2z.client.connection import PATIENCE_AGAIN
from w2z.client.local import Transport
from w2z.client.policy import OnShutdown, OnStart


@dataclass(frozen=True)
class Options:
    """How one attach behaves; :mod:`w2z.client.policy` says what the first five mean.

    ``patience``: the seconds without a connection after which it gives up. Heartbeats are answered
    as long.
    """

    one_kernel: bool = False
    on_start: OnStart = "attach"
    on_shutdown: OnShutdown = "detach"
    is_fresh: bool = False
    is_terminal: bool = False
    patience: float = PATIENCE_AGAIN
    transport: Transport = "tcp"


@dataclass
class State:
    """What a person may want to know."""

    is_connected: bool = False
    was_connected: bool = False
    trouble: str = ""
    """Why there is no connection."""
    kernel: str = ""
    """The kernel's execution_state, as it was last told."""

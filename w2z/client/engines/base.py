"""What a container engine does for w2z: a small protocol, so that others can follow."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from w2z.client.engines.inside import TOKEN_PATH

Pull = Literal["missing", "always", "never"]
"""When an image is fetched from its registry."""

PORT = 8888
"""Where w2z listens in the container."""

ABANDONED_AFTER = 120.0
"""Seconds without a client after which w2z, and with it the container, ends by itself: whoever
started it may have been killed. It is longer than most cuts of the network.
"""

READY_WITHIN = 120.0
"""Seconds that a kernel in a container has to get ready."""

STOP_WITHIN = 10
"""Seconds between SIGTERM and SIGKILL for a container; w2z's own budget is 8.5."""


class Mount(NamedTuple):
    """A directory or a file of the engine's host, in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """A container with a kernel: what its image does not say.

    ``command`` is the container's; with ``layer``, an image that has ``/opt/w2z``, it is the
    kernel's, and the image need not have w2z. ``cpus`` may be a fraction, ``memory`` is in bytes.
    """

    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    pull: Pull = "missing"
    layer: str | None = None
    idle_timeout: float = ABANDONED_AFTER
    ready_timeout: float = READY_WITHIN
    token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The container's environment: the image's own w2z reads its settings there."""
        return {
            "W2Z_HOST": "0.0.0.0",  # noqa: S104 (the engine publishes it on loopback alone)
            "W2Z_PORT": str(PORT),
            "W2Z_IDLE_TIMEOUT": f"{self.idle_timeout:g}",
            "W2Z_BASE_URL": "/",
            **self.env,
            "W2Z_TOKEN_FILE": TOKEN_PATH,
        }


class Running(NamedTuple):
    """A container that was started: where its w2z is, and its id at the engine."""

    url: str
    id: str


class Engine(Protocol):
    """A container engine. Every method may block; each raises
    :class:`~w2z.errors.ContainerError`.
    """

    def start(self, spec: ContainerSpec) -> Running:
        """Start a container, which is removed when it ends, in whatever way."""

    def is_running(self, container_id: str) -> bool:
        """Whether it still runs; one that is not found does not."""

    def wait(self, container_id: str) -> int | None:
        """Block until it has ended. Returns the exit code; ``None`` if it is not known any more."""

    def last_words(self, container_id: str) -> str:
        """Return the end of what it printed; after its end only as far as it was followed."""

    def stop(self, container_id: str, grace: int = STOP_WITHIN) -> None:
        """Stop and remove it, unless it is gone. It has ``grace`` seconds to end by itself."""

    def close(self) -> None:
        """Close the connections to the engine; this is the last call."""


def why(what: str, said: str) -> str:
    """Return what happened to a container, with what it said last."""
    hint = f"; its last words:\n{said}" if said else "; it said nothing: has the image w2z in it?"
    return f"the container {what}{hint}"

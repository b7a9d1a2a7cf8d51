"""Where w2z runs: what listens in a container is reached only if somebody published it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from w2z.hosts import EVERY_IPV4, LOOPBACK_IPV4

AUTO = "auto"
"""The ``--host`` that depends on the place."""

FIRST_PROCESS = 1
"""The process that a container was started for."""

_FILES = ("/.dockerenv", "/run/.containerenv")
"""What Docker and podman leave in their containers."""

_VARIABLES = ("KUBERNETES_SERVICE_HOST", "container")
"""What Kubernetes, podman and systemd-nspawn put into the environment."""


def is_container(
    environment: Mapping[str, str],
    pid: int | None = None,
    is_there: Callable[[str], bool] = os.path.exists,
) -> bool:
    """Whether this process, with the number ``pid``, probably runs in a container."""
    if (os.getpid() if pid is None else pid) == FIRST_PROCESS:
        return True
    return any(map(environment.get, _VARIABLES)) or any(map(is_there, _FILES))


def listening_host(host: str, *, in_container: bool) -> tuple[str, str]:
    """Return the host to listen on, and who reaches that, for people."""
    if host == AUTO and in_container:
        return EVERY_IPV4, "for whoever reaches this container: --host"
    if host == AUTO:
        return LOOPBACK_IPV4, "for this machine alone: --host"
    return host, ""

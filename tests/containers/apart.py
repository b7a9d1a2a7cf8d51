"""``python -m tests.containers.apart COMMAND``: where containers leave nothing behind.

The command gets a network, processes and a ``/run`` of its own, all of which end with it, however
it ends. Podman forwards a published port with rules of the machine's firewall: one that outlives
its container takes that port from whatever listens there next.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NETWORK = Path("/run/w2z-outside")
"""The machine's network, for what builds images."""

# Mounts are seen here alone. The init reaps what podman leaves to it.
UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
INIT = ("catatonit", "--", "sh", "-euc")

SCRIPT = f"""\
mount -t tmpfs tmpfs /run
: >{NETWORK}
mount --bind /proc/self/ns/net {NETWORK}
exec unshare --net sh -euc 'ip link set lo up; exec "$@"' sh "$@"
"""


def is_apart() -> bool:
    """Whether this process was started by this module."""
    return NETWORK.exists()


def with_network(*command: str) -> list[str]:
    """That command with the machine's network."""
    return ["nsenter", f"--net={NETWORK}", *command] if is_apart() else list(command)


if __name__ == "__main__":
    os.execvp(UNSHARE[0], [*UNSHARE, *INIT, SCRIPT, "sh", *sys.argv[1:]])

"""Podman as these tests use it: with images and settings of their own, apart from the user's.

What is made is kept in ``$XDG_CACHE_HOME/w2z/containers`` (``~/.cache`` by default), which is
removed with ``python -m tests.containers.podman system reset --force``.
"""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "w2z" / "containers"

RUN = Path("/run/w2z-containers")
"""What is gone after a restart of the machine."""

# A container does not get more than this process may give. Debian's crun refuses machines that
# still have version 1 of control groups; systemd may not be there to be asked for them.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=30000:30000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""

STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{cache}/storage"
runroot = "{run}"
"""


def environment() -> dict[str, str]:
    """The environment in which ``podman`` is this podman; writes its settings."""
    CACHE.mkdir(parents=True, exist_ok=True)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    containers, storage = CACHE / "containers.conf", CACHE / "storage.conf"
    containers.write_text(CONTAINERS_CONF.format(files=files))
    storage.write_text(STORAGE_CONF.format(cache=CACHE, run=RUN))
    return {
        **os.environ,
        "CONTAINERS_CONF": str(containers),
        "CONTAINERS_STORAGE_CONF": str(storage),
    }


def podman(*arguments: str, check: bool = True) -> str:
    """Run podman; what it printed on stdout."""
    done = subprocess.run(
        ["podman", *arguments], env=environment(), check=check, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


@contextmanager
def alone() -> Iterator[None]:
    """While nobody else who uses this cache builds or runs images: names are shared."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    os.execvpe("podman", ["podman", *sys.argv[1:]], environment())

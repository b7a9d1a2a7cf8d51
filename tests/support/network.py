"""Networks of a test's own, in which addresses come and go. These need Linux, and root."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest

from tests.support.processes import running

CLONE_NEWNET = 0x40000000
"""A flag of unshare(2), from linux/sched.h."""

_TOOLS = ("ip", "nsenter", "unshare")

needs_networks = pytest.mark.skipif(
    os.getuid() != 0 or not all(map(shutil.which, _TOOLS)),
    reason="needs root, ip, nsenter and unshare",
)


def ip(*words: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *words], check=True)


@contextmanager
def own_network() -> Iterator[None]:
    """Give this thread, and processes that it starts, a network with nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        _check(libc.unshare(CLONE_NEWNET))
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            _check(libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@dataclass(frozen=True)
class Machine:
    """Another machine, connected by a cable. ``inside`` is the command that runs others there."""

    address: str
    inside: tuple[str, ...]

    def unplug(self) -> None:
        """Lose everything that is sent there, without any error."""
        self._ip("link", "set", "there", "down")

    def plug_in(self) -> None:
        """Undo :meth:`unplug`."""
        self._ip("link", "set", "there", "up")

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.inside, "ip", *words], check=True)


@asynccontextmanager
async def machine(number: int) -> AsyncIterator[Machine]:
    """Connect a machine at ``10.98.NUMBER.2`` to the network of :func:`own_network`."""
    async with running("unshare", "--net", "sh", "-c", "echo there; exec sleep 1000") as process:
        await process.line("there")
        pid = str(process.process.pid)
        found = Machine(f"10.98.{number}.2", ("nsenter", f"--net=/proc/{pid}/ns/net"))
        here = f"here{number}"
        ip("link", "add", here, "type", "veth", "peer", "name", "there", "netns", pid)
        ip("addr", "add", f"10.98.{number}.1/24", "dev", here)
        ip("link", "set", here, "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{found.address}/24", "dev", "there"),
            ("link", "set", "there", "up"),
        ):
            found._ip(*words)
        yield found

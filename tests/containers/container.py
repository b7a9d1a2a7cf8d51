"""A running container that serves a kernel."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.containers.podman import environment, podman
from tests.support.processes import W2z, running

RUN: Sequence[str] = shlex.split(
    "podman run --detach --name kernel --secret w2z_token --publish 127.0.0.1:8888:8888"
)
"""How an image is run as its own user; docs/containers.md has more."""


@dataclass
class Container:
    """The container and what it serves."""

    name: str
    served: W2z

    def inspect(self, field: str) -> Any:
        """A field of ``podman inspect``."""
        return json.loads(podman("inspect", "--format", f"{{{{json {field}}}}}", self.name))

    def libraries(self) -> set[str]:
        """The shared libraries that its first process has mapped."""
        words = Path(f"/proc/{self.pid}/maps").read_text().split()
        return {word for word in words if word.startswith("/") and ".so" in word}

    @property
    def resident(self) -> int:
        """Bytes of memory that its first process takes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024

    @property
    def pid(self) -> int:
        """Its first process, as the host sees it."""
        pid: int = self.inspect(".State.Pid")
        return pid


@asynccontextmanager
async def container(command: Sequence[str], *options: str) -> AsyncIterator[Container]:
    """Run a documented ``podman run`` with a free port and a name of its own, and further options
    and at last the image, if the command does not name one.
    """
    name = f"w2z-test-{secrets.token_hex(4)}"
    own = {"kernel": name, "127.0.0.1:8888:8888": "127.0.0.1::8888"}
    words = [own.get(word, word) for word in command[1:]]
    try:
        podman(*words, *options)
        port = podman("port", name, "8888").rpartition(":")[2]
        follow = ("podman", "logs", "--follow", name)
        async with running(*follow, env=environment()) as logs:
            yield Container(name, W2z(logs, f"http://127.0.0.1:{port}/"))
    finally:
        podman("rm", "--force", "--ignore", "--time=0", name)

"""The images of containers/, built with the commands of docs/containers.md.

``python -m tests.containers.images`` builds them all. Their base images are stand-ins under the
public names: stand-in.sh says of what.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.containers.apart import with_network
from tests.containers.documented import build_commands
from tests.containers.podman import alone, environment, podman

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("stand-in.sh")

STAND_INS = {
    "debian:bookworm-slim": "bookworm",
    "debian:bullseye-slim": "bullseye",
    "python:3.11-slim": "python",
    "busybox:stable-musl": "busybox",
    "denoland/deno:bin-2.9.8": "deno",
}
"""Kinds of stand-ins that stand-in.sh makes, by the name in a Dockerfile."""


@cache
def stand_in(name: str) -> str:
    """Make what stands in for that public image, if it is not there yet; its whole name."""
    if name == "python:3.11-slim":
        stand_in("debian:bookworm-slim")
    kind = STAND_INS[name]
    version = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]
    kept = f"localhost/stand-in/{kind}:{version}"
    if (
        subprocess.run(
            ["podman", "image", "exists", kept], env=environment(), check=False
        ).returncode
        != 0
    ):
        subprocess.run(with_network(str(SCRIPT), kind, kept), env=environment(), check=True)
    public = f"docker.io/{name}" if "/" in name else f"docker.io/library/{name}"
    podman("tag", kept, public)
    return public


@cache
def image(name: str) -> str:
    """Build that image as the documentation says, and what it is made from; its name."""
    command = build_commands()[name]
    dockerfile = ROOT / command[command.index("--file") + 1]
    for base in re.findall(r"^ARG \w+=(\S+)$", dockerfile.read_text(), re.MULTILINE):
        if base in STAND_INS:
            stand_in(base)
        else:
            image(base)
    build(*command[2:])
    return name


def build(*arguments: str) -> None:
    """``podman build``, without a registry, from layers that are there, on the machine's network
    as it is.
    """
    options = ("--quiet", "--pull=never", "--network=host")
    command = with_network("podman", "build", *options, *arguments)
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    with alone():
        for name in build_commands():
            sys.stdout.write(image(name) + "\n")
        # What nobody has built on for a week is not a step of any of these any more.
        podman("image", "prune", "--force", "--filter", "until=168h")


if __name__ == "__main__":
    main()

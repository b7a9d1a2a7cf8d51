"""/opt/w2z in images that have little else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.containers.container import RUN, container
from tests.containers.documented import recipe
from tests.containers.images import build, image, stand_in
from tests.containers.test_images import runs_code, stops

KERNEL = Path(__file__).parents[1] / "support" / "tiny_kernel.py"
COMMAND = ["/opt/w2z/libexec/python3", "-IS", "/tiny_kernel.py"]
"""A kernel for images that have none: it borrows w2z's own Python."""

BASES = [
    "busybox:stable-musl",
    pytest.param("debian:bullseye-slim", marks=pytest.mark.slow),
]

CELL = "say(str(6 * 7))"


def with_w2z(base: str, folder: Path) -> str:
    """An image of a kernel on that base, with w2z by the recipe of docs/containers.md."""
    image("w2z")
    (folder / "tiny_kernel.py").write_bytes(KERNEL.read_bytes())
    (folder / "empty").touch()
    poison = "".join(f"COPY empty /poison/{name}\n" for name in ("libc.so.6", "libz.so.1"))
    (folder / "Dockerfile").write_text(
        f"FROM {stand_in(base)}\n{poison}COPY tiny_kernel.py /\nRUN mkdir -m 1777 /writable\n"
    )
    name = f"w2z-test-{base.partition(':')[0]}"
    build("--tag", f"{name}-base", str(folder))
    command = json.dumps(COMMAND).strip("[]")
    (folder / "Dockerfile").write_text(recipe(f"{name}-base", command))
    build("--tag", name, str(folder))
    return name


NO_TMP = ("--read-only-tmpfs=false", "--env", "TMPDIR=/writable", "--tmpfs", "/writable:noexec")


@pytest.mark.parametrize("base", BASES)
async def test_it_needs_nothing_of_the_image(
    base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = (
        "--read-only",
        "--tmpfs",
        "/run/secrets",
        "--cap-drop=ALL",
        "--user",
        "12345",
        *NO_TMP,
    )
    quiet = ("--env", "W2Z_TOKEN_FILE=/run/secrets/w2z_token")
    async with container(RUN, *closed, *quiet, with_w2z(base, tmp_path)) as running:
        await runs_code(running, CELL)
        # Data of the C library's, such as the image's locale, may be read; code may not.
        assert {Path(file).parts[1] for file in running.libraries()} == {"opt"}
        await stops(running, capsys)


async def test_neither_environment_reaches_the_other(tmp_path: Path) -> None:
    """w2z would not start with these, and the kernel gets them, and nothing else."""
    told = {
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/poison",
        "PYTHONSTARTUP": "/poison/libc.so.6",
        "LD_PRELOAD": "/poison/libz.so.1",
        "LD_LIBRARY_PATH": "/poison",
        "SOME": "thing",
    }
    options = [word for name, value in told.items() for word in ("--env", f"{name}={value}")]
    name = with_w2z("busybox:stable-musl", tmp_path)
    # The kernel's process is a shell without libraries, or the first one would fail it, too.
    shell = [
        "--",
        "sh",
        "-c",
        ": {connection_file}; cat /proc/self/environ | tr '\\0' '\\n'; exit 3",
    ]
    secret = ("--env", "W2Z_TOKEN_FILE=/run/secrets/w2z_token")
    entry = ("--hostname", "here", "--entrypoint", "/opt/w2z/bin/w2z")
    async with container(RUN, *options, *secret, *entry, name, *shell) as running:
        await running.served.process.line("end of output")
        lines = running.served.process.lines
    printed = [line.removeprefix("kernel: ") for line in lines if line.startswith("kernel: ")]
    seen = dict(line.partition("=")[::2] for line in printed if "=" in line and " " not in line)
    fixed = {"PATH", "HOSTNAME", "HOME", "container", "TERM", "JPY_PARENT_PID", "PWD", "SHLVL"}
    assert {name: value for name, value in seen.items() if name not in fixed} == told
    assert "ended with exit code 3" in running.served.process.output

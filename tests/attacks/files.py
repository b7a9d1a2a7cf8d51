"""Attacks of whoever may write the files that w2z reads while it runs, such as the kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.attacks.reads import Reads
from tests.attacks.target import AUTH, MIB, Attacks, Target
from tests.support.processes import TOKEN

FILES = Attacks("writer of files")


async def replaced(target: Target, make: Callable[[Path], object]) -> str:
    """Replace the connection file, and return what w2z says when it has looked at it."""
    new = target.connection_file.with_suffix(".new")
    make(new)
    new.replace(target.connection_file)
    said = await target.w2z.process.line("w2z: (.*cannot be used: .*)")
    # Nothing is known to a reader of the table of the folder that it was in.
    return said[1].replace(str(target.connection_file), "FILE")[:120]


@FILES.add("the connection file becomes a FIFO")
async def fifo(target: Target) -> str:
    return await replaced(target, os.mkfifo)


@FILES.add("the connection file becomes a link to /dev/zero")
async def endless_file(target: Target) -> str:
    return await replaced(target, lambda path: path.symlink_to("/dev/zero"))


@FILES.add("the connection file becomes a sparse one of 600 MiB")
async def sparse_file(target: Target) -> str:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(600 * MIB)

    return await replaced(target, make)


BROKEN: tuple[dict[str, object], ...] = (
    {"ip": "a b"},
    {"ip": "127.0.0.1\0"},
    {"ip": "lo;127.0.0.1"},
    {"ip": ["127.0.0.1"]},
    {"transport": "ipc", "ip": "/" + "a" * 200},
    {"transport": "udp"},
    {"shell_port": 10**400},
    {"shell_port": -1},
    {"shell_port": 0},
    {"iopub_port": 1.5},
    {"signature_scheme": "hmac-shake_128"},
    {"signature_scheme": "hmac-" + "x" * 10_000},
    {"key": 1},
    {"key": "\ud800"},
    {"curve_publickey": "!" * 40},
    {"curve_publickey": "}" * 40, "curve_secretkey": "ü" * 40},
)


@FILES.add(
    f"the connection file gets {len(BROKEN)} broken fields, and is cut short, one after the other"
)
async def broken_fields(target: Target) -> str:
    good = target.connection_file.read_text()
    texts = [json.dumps({**json.loads(good), **fields}) for fields in BROKEN]
    lines = len(target.w2z.process.lines)
    for text in [*texts, good[:40], "[" * 60_000, "\x00" * 1000, "null"]:
        await _is_read_as(text, target.connection_file)
    await _is_read_as(good, target.connection_file)
    return f"{len(target.w2z.process.lines) - lines} lines of log"


async def _is_read_as(text: str, path: Path) -> None:
    """Replace a file, and wait until w2z has read it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    reads = Reads(new)
    new.replace(path)
    await reads.one()


@FILES.add(
    "the token file is emptied, until that closes the bystander",
    is_revoked=True,
)
async def token_emptied(target: Target) -> str:
    target.token_file.write_text("")
    async with target.http() as http:
        status = (await http.ask("GET /api/kernels", AUTH)).status
    await target.bystander.is_closed()
    async with target.http() as http:
        later = (await http.ask("GET /api/kernels", AUTH)).status
    target.token_file.write_text(TOKEN)
    target.bystander.may_come_back()
    await target.bystander.through()
    closings = ", ".join(target.bystander.closings)
    assert closings.startswith("4401"), closings
    return f"{status}, {later}; the bystander: {closings}, and went on"


@FILES.add(
    "the token file becomes a FIFO, until that closes the bystander",
    is_revoked=True,
)
async def token_fifo(target: Target) -> str:
    target.token_file.unlink()
    os.mkfifo(target.token_file)
    await target.bystander.is_closed()
    async with target.http() as http:
        status = (await http.ask("GET /api/kernels", AUTH)).status
    target.token_file.unlink()
    target.token_file.write_text(TOKEN)
    target.bystander.may_come_back()
    await target.bystander.through()
    return f"{status}; the bystander: {', '.join(target.bystander.closings)}"

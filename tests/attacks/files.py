"""Attacks of whoever may write the files that w2z reads while it runs, such as the kernel."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.attacks.target import AUTH, MIB, Attacks, Target
from tests.support.processes import TOKEN

FILES = Attacks("writer of files")

LOOKED_AT = 1.0
"""Seconds in which w2z has looked at a file several times."""


async def replaced(target: Target, make: Callable[[Path], object]) -> str:
    """Replace the connection file, let w2z look at it, and return what it says."""
    lines = len(target.w2z.process.lines)
    new = target.connection_file.with_suffix(".new")
    make(new)
    new.replace(target.connection_file)
    await asyncio.sleep(LOOKED_AT)
    said = [line.partition("w2z: ")[2] for line in target.w2z.process.lines[lines:]]
    # Nothing is known to a reader of the table of the folder that it was in.
    said = [line.replace(str(target.connection_file), "FILE") for line in said]
    return said[0][:120] if said else "nothing said"


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
    new = target.connection_file.with_suffix(".new")
    lines = len(target.w2z.process.lines)
    for text in [*texts, good[:40], "[" * 60_000, "\x00" * 1000, "null"]:
        new.write_text(text)
        new.replace(target.connection_file)
        await asyncio.sleep(0.3)
    new.write_text(good)
    new.replace(target.connection_file)
    return f"{len(target.w2z.process.lines) - lines} lines of log"


@FILES.add("the token file is emptied, and has its token again a second later", is_revoked=True)
async def token_emptied(target: Target) -> str:
    target.token_file.write_text("")
    async with target.http() as http:
        status = (await http.ask("GET /api/kernels", AUTH)).status
    await asyncio.sleep(LOOKED_AT)
    async with target.http() as http:
        later = (await http.ask("GET /api/kernels", AUTH)).status
    target.token_file.write_text(TOKEN)
    await target.bystander.through()
    closings = ", ".join(target.bystander.closings)
    assert closings.startswith("4401"), closings
    return f"{status}, {later}; the bystander: {closings}, and went on"


@FILES.add("the token file becomes a FIFO, and is there again a second later", is_revoked=True)
async def token_fifo(target: Target) -> str:
    target.token_file.unlink()
    os.mkfifo(target.token_file)
    await asyncio.sleep(LOOKED_AT)
    async with target.http() as http:
        status = (await http.ask("GET /api/kernels", AUTH)).status
    target.token_file.unlink()
    target.token_file.write_text(TOKEN)
    await target.bystander.through()
    return f"{status}; the bystander: {', '.join(target.bystander.closings) or 'kept'}"

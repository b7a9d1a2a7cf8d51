"""Runs one attack on a w2z of its own, and checks what has to hold whoever attacks.

- w2z lives, ends by SIGTERM as it should, and its log tells of no defect and no traceback.
- Its memory stays below what it was before with ``--memory-budget`` and the largest message on top.
- Its event loop is never held for longer than :data:`LONGEST_STALL`. How that is measured on a
  machine that has other work, too, is said in :mod:`~tests.attacks.prober`.
- ``/livez`` and ``/readyz`` are answered within :data:`LONGEST_ANSWER`, by the clock, and say 200.
- The bystander gets all its numbers, in order, over one connection.

An attack may say that one of the last two is different for it, where the documentation says so.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.connect import write_connection_file

from tests.attacks import prober
from tests.attacks.bystander import Bystander
from tests.attacks.prober import Found
from tests.attacks.target import MIB, Attack, Target
from tests.support.kernels import within
from tests.support.processes import TOKEN, running, w2z
from w2z.settings import Settings

LONGEST_STALL = 0.25
"""Seconds. tests/support/stalls.py takes as many for a stall."""

LONGEST_ANSWER = 1.0
"""Seconds: as long as Kubernetes waits for a probe, if nothing else is said."""

LONGEST_ATTACK = 40.0
"""Seconds that one attack may take."""

SETTLES = 20.0
"""Seconds in which the bystander's last numbers come back."""

MEMORY = sum(
    int(Settings.model_fields[name].default) for name in ("memory_budget", "max_message_size")
)
"""Bytes that w2z may take beyond its idle process."""


@dataclass
class Row:
    """What came of one attack."""

    attack: Attack
    before: int = 0
    """w2z's memory before the attack, in bytes."""
    most: int = 0
    """The most memory that w2z had."""
    found: Found = field(default_factory=Found)
    outcome: str = ""
    problems: list[str] = field(default_factory=list)

    def check(self, bystander: Bystander) -> None:
        """Note what does not hold."""
        found, note = self.found, self.problems.append
        if found.failure:
            note(f"no answer: {found.failure}")
        if self.most > self.before + MEMORY:
            note(f"memory: {(self.most - self.before) / MIB:.0f} MiB more")
        if found.stall > LONGEST_STALL:
            note(f"stalled for {found.stall * 1000:.0f} ms")
        if found.late > LONGEST_ANSWER:
            note(f"answered after {found.late:.2f} s")
        for route, statuses in found.statuses.items():
            right = {200, 503} if route == "/readyz" and self.attack.is_unready else {200}
            if odd := {int(status) for status in statuses} - right:
                note(f"{route} said {', '.join(map(str, sorted(odd)))}")
        expected = "4401" if self.attack.is_revoked else "nothing"
        for closing in bystander.closings:
            if not closing.startswith(expected):
                note(f"the bystander was closed: {closing}")
        if not (self.attack.loses and bystander.gaps):
            self.problems += bystander.faults[:3]


async def row_of(attack: Attack) -> Row:
    """Run an attack, and return its row, which tells of every problem."""
    row = Row(attack)
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with asyncio.timeout(LONGEST_ATTACK):
                await _attacked(row, Path(folder))
        except* Exception as group:  # noqa: BLE001 - whatever it is, the row tells of it
            row.problems += [_told(error) for error in _leaves(group)]
    return row


async def _attacked(row: Row, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(_target(row.attack, folder))
        bystander = target.bystander
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(bystander.run())
            try:
                async with within(10, "the bystander is answered"):
                    await bystander.through()
                async with _probed(target, row):
                    try:
                        row.outcome = await row.attack.run(target)
                    finally:
                        async with within(SETTLES, "the bystander has all its numbers"):
                            await bystander.finish()
            finally:
                talking.cancel()
                row.check(bystander)
                if bystander.gaps:
                    row.outcome += f"; gap notices: {bystander.gaps}"
                if bystander.missing:
                    row.outcome += f", {bystander.missing} numbers of the bystander missing"
        if target.w2z.process.process.returncode is not None:
            row.problems.append(f"w2z ended, {target.w2z.process.process.returncode}")
        row.problems += [line for line in target.w2z.process.lines if "defect" in line][:3]


@asynccontextmanager
async def _target(attack: Attack, folder: Path) -> AsyncIterator[Target]:
    path, token_file = folder / "connection.json", folder / "token"
    write_connection_file(str(path), key=b"the key of the kernel")
    token_file.touch(0o600)
    token_file.write_text(TOKEN)
    below = ("prlimit", f"--nofile={attack.files}") if attack.files else ()
    async with (
        running(sys.executable, "-m", "tests.attacks.kernel", str(path)) as kernel,
        w2z(
            path,
            "--token-file",
            str(token_file),
            token=None,
            development=False,
            below=below,
        ) as found,
    ):
        await found.ready()
        yield Target(found, kernel, path, token_file, Bystander(found.websocket("bystander")))


@asynccontextmanager
async def _probed(target: Target, row: Row) -> AsyncIterator[None]:
    """Measure w2z in the block, in a process of its own."""
    status = Path(f"/proc/{target.w2z.pid}/status")
    command = (sys.executable, "-IS", prober.__file__, str(target.port), str(target.w2z.pid))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"asking\n"
        now, most = prober.memory(status)
        row.before = now * 1024
        try:
            yield
        finally:
            printed, _ = await process.communicate(b"")
            row.found = Found(**json.loads(printed))
            highest = prober.memory(status)[1]
            # The largest since the start says nothing if it was there before.
            row.most = max(row.found.rss, highest if highest > most else 0) * 1024
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


def _told(error: BaseException) -> str:
    """Say an error in one line."""
    lines = f"{type(error).__name__}: {error}".splitlines()
    return lines[0] if len(lines) < 2 else f"{lines[0]} … {lines[-1]}"

"""Child processes as PID 1 has to treat them: started, waited for, and adopted ones reaped.

One ``waitpid(-1)`` reaps all of them. So the orphans that a kernel leaves behind, which a
container's PID 1 inherits, never stay as zombies (wait(2), prctl(2) PR_SET_CHILD_SUBREAPER). Do not
use asyncio's own subprocesses beside this module, which would reap their exit status.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Self

from w2z.kernel.process.owner import Owner

log = logging.getLogger("w2z")

PR_SET_CHILD_SUBREAPER = 36
"""Option of prctl(2), from linux/prctl.h."""

LAST_LOOK = 0.02
"""Seconds between checks whether the killed processes are gone."""


class Child:
    """A process that w2z started; it leads a Unix session and a process group of its own."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe with what the process prints."""
        return _there(self._popen.stdout)

    @property
    def stderr(self) -> IO[bytes]:
        """The pipe with what the process writes to stderr."""
        return _there(self._popen.stderr)

    async def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end of the process, ``seconds`` at most.

        Returns its exit code, negative for the signal that killed it; ``None`` if it still runs.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.ended)
        return None

    def signal_group(self, number: int) -> bool:
        """Signal the process group. Returns ``False`` if no process is left in it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            log.warning("may not signal process group %d of the kernel", self.pid)
        return True

    def signal(self, number: int) -> None:
        """Signal the process alone, unless it has ended."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def on_end(self, status: int) -> None:
        """The process was reaped: put its exit code into :attr:`ended`."""
        code = os.waitstatus_to_exitcode(status)
        # Without this, Popen would wait for the process again and not find it.
        self._popen.returncode = code
        if not self.ended.done():
            self.ended.set_result(code)


class Children:
    """The child processes of w2z; a context manager. Only one at a time, in the main thread."""

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._known: dict[int, Child] = {}
        # Not with the loop's add_signal_handler: uvloop reserves SIGCHLD for itself.
        self._before = signal.signal(signal.SIGCHLD, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGCHLD, self._before)

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], owner: Owner | None = None
    ) -> Child:
        """Start a process without stdin, as ``owner``, or w2z's own user.

        Raises :class:`OSError` or :class:`ValueError`.
        """
        popen = subprocess.Popen(  # noqa: S603 (w2z's purpose is to run the given command)
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
            user=None if owner is None else owner.uid,
            group=None if owner is None else owner.gid,
            extra_groups=None if owner is None else owner.groups,
        )
        child = Child(popen)
        self._known[popen.pid] = child
        # The process may have ended before its pid was known here.
        self._reap()
        return child

    async def kill_all(self, seconds: float) -> bool:
        """Kill every process below this one, adopted ones included, until none is left.

        Gives up after ``seconds``. Returns whether none is left.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while left := list(_below(os.getpid())):
                    for pid in left:
                        with contextlib.suppress(ProcessLookupError, PermissionError):
                            os.kill(pid, signal.SIGKILL)
                    await asyncio.sleep(LAST_LOOK)
                    self._reap()
            return True
        return False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._reap)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._known.pop(pid, None)
            if child is None:
                log.debug("reaped process %d, which somebody else started", pid)
            else:
                child.on_end(status)


def prepare_process() -> None:
    """Make w2z's process fit to be a kernel's parent: it adopts descendants whose own parent ends,
    as PID 1 does by itself.
    """
    import ctypes  # noqa: PLC0415 (only needed to start a kernel)

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        log.warning("prctl(%d) failed: %s", PR_SET_CHILD_SUBREAPER, os.strerror(ctypes.get_errno()))


def _below(pid: int) -> Iterator[int]:
    """Yield the processes whose parent is ``pid`` and that are not zombies."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat = (folder / "stat").read_text(errors="replace")
        except OSError:
            continue  # the process ended meanwhile
        # The name in parentheses may contain anything, parentheses included (proc_pid_stat(5)).
        state, parent = stat[stat.rindex(")") + 2 :].split(" ", 2)[:2]
        if int(parent) == pid and state != "Z":
            yield int(folder.name)


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the process was started without a pipe")
    return stream

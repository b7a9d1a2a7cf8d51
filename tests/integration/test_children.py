"""Child processes: how they are started, end, are signalled and reaped, adopted ones included."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.log import listening
from tests.support.parent import is_subreaper, parenthood
from tests.support.processes import is_there
from tests.support.signals import as_before
from w2z.kernel.process import children as module
from w2z.kernel.process.children import Child, Children, _below, _there, prepare_process

LONG = 60.0
SOON = 0.05
SLEEP = ("sleep", "1000")


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """No children but the test's, and none of them left."""
    with as_before(), parenthood():
        yield


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    with Children() as found:
        yield found


@asynccontextmanager
async def started(children: Children, *command: str, **environment: str) -> AsyncIterator[Child]:
    """A process, killed at the end if it still runs."""
    child = children.start(command, {"PATH": os.environ["PATH"], **environment})
    with child.stdout, child.stderr:
        try:
            yield child
        finally:
            child.signal_group(signal.SIGKILL)
            assert await child.wait(LONG) is not None


async def first_line(child: Child) -> str:
    """Wait for the first line that it prints."""
    printed = bytearray()
    while not printed.endswith(b"\n"):
        printed += await asyncio.to_thread(child.stdout.read, 1)
    return printed.decode().strip()


def name(child: Child) -> str:
    """What the kernel calls it."""
    return Path(f"/proc/{child.pid}/comm").read_text().removesuffix("\n")


@pytest.fixture
def hurdle(tmp_path: Path) -> Iterator[Hurdle]:
    made = Hurdle(tmp_path / "hurdle")
    yield made
    made.close()


class Hurdle:
    """Where a process waits until it is let go; ``wait`` is what its shell has to do for that."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        # Open for both, so that opening waits for nobody, and what is written stays.
        self._pipe = os.open(path, os.O_RDWR)
        self.wait = f'read -r _ < "{path}"'

    def pass_one(self) -> None:
        """Let one process go on, now or when it comes."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        os.close(self._pipe)


# From start to end.


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -15 $$", -15)]
)
async def test_the_end_of_a_process_is_its_exit_code_or_its_signal(
    children: Children, script: str, code: int
) -> None:
    async with started(children, "sh", "-c", script) as child:
        assert await child.wait(LONG) == code
        assert await child.wait() == code


async def test_waiting_for_one_that_runs_ends_nothing(children: Children) -> None:
    async with started(children, *SLEEP) as child:
        assert await child.wait(0) is None
        assert await child.wait(0.001) is None
        assert is_there(child.pid)
        child.signal_group(signal.SIGTERM)
        assert await child.wait(LONG) == -signal.SIGTERM


async def test_it_has_no_input_its_own_environment_and_two_streams(children: Children) -> None:
    async with started(children, "sh", "-c", "cat; env; echo oh >&2", COLOUR="red") as child:
        assert await child.wait(LONG) == 0
        lines = child.stdout.read().decode().splitlines()
        assert {"COLOUR=red", f"PATH={os.environ['PATH']}"} <= set(lines)
        assert not any(line.startswith("HOME=") for line in lines)
        assert child.stderr.read() == b"oh\n"


async def test_it_leads_a_session_and_a_group(children: Children) -> None:
    async with started(children, *SLEEP) as child:
        assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid


async def test_what_cannot_be_started_is_an_error(children: Children) -> None:
    with pytest.raises(FileNotFoundError):
        children.start(["no-such-program"], {})


async def test_one_that_ends_before_anybody_knows_it_is_not_waited_for(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    async with started(children, "sh", "-c", "exit 3") as child:
        assert child.ended.done()
        assert await child.wait() == 3


async def test_it_ends_once(children: Children) -> None:
    async with started(children, "true") as child:
        assert await child.wait(LONG) == 0
        child.on_end(7 << 8)
        assert await child.wait() == 0


def test_without_a_pipe_there_is_nothing_to_read() -> None:
    with pytest.raises(ValueError, match="without a pipe"):
        _there(None)


# Signals.


async def test_a_signal_is_for_the_process_or_for_its_group(children: Children) -> None:
    prepare_process()
    script = 'trap "exit 5" USR1; sleep 1000 & echo $!; wait'
    async with started(children, "sh", "-c", script) as child:
        other = int(await first_line(child))
        child.signal(signal.SIGUSR1)
        assert await child.wait(LONG) == 5
        assert is_there(other)
        with listening(logging.DEBUG) as log:
            assert child.signal_group(signal.SIGKILL)
            await log.line(f"reaped process {other}")
        assert not child.signal_group(signal.SIGKILL)


async def test_one_that_has_ended_gets_no_signal(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(children, "true") as child:
        await child.wait(LONG)
        # By now its number may be another's.
        with monkeypatch.context() as patch:
            patch.setattr(os, "kill", lambda pid, number: pytest.fail("a stranger"))
            child.signal(signal.SIGTERM)


async def test_a_group_that_may_not_be_signalled_is_there_all_the_same(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(group: int, number: int) -> None:
        raise PermissionError

    async with started(children, *SLEEP) as child:
        with monkeypatch.context() as patch, listening() as log:
            patch.setattr(os, "killpg", refuse)
            assert child.signal_group(signal.SIGTERM)
        assert log.lines == [f"may not signal process group {child.pid} of the kernel"]


# What others leave behind.


async def test_orphans_are_reaped(children: Children, hurdle: Hurdle) -> None:
    prepare_process()
    script = f"({hurdle.wait}) > /dev/null 2>&1 & echo $!"
    async with started(children, "sh", "-c", script) as child:
        assert await child.wait(LONG) == 0
        orphan = int(await first_line(child))
        assert is_there(orphan)
        with listening(logging.DEBUG) as log:
            hurdle.pass_one()
            await log.line(f"reaped process {orphan}, which somebody else started")
        assert not is_there(orphan)


async def test_the_signal_of_ended_children_is_afterwards_what_it_was(children: Children) -> None:
    ours = signal.getsignal(signal.SIGCHLD)
    with Children():
        assert signal.getsignal(signal.SIGCHLD) != ours
    assert signal.getsignal(signal.SIGCHLD) == ours


def test_a_child_that_ends_after_the_loop_disturbs_nobody() -> None:
    async def make() -> Children:
        with Children() as found:
            return found

    asyncio.run(make())._on_signal(signal.SIGCHLD, None)


# The end of all.


async def test_every_process_below_is_killed_however_deaf_or_far(children: Children) -> None:
    prepare_process()
    deaf = 'trap "" TERM INT HUP; sleep 1000'
    script = f"setsid sh -c '{deaf}' > /dev/null 2>&1 & echo $!; {deaf}"
    async with started(children, "sh", "-c", script) as child:
        far = int(await first_line(child))
        assert await children.kill_all(LONG)
        assert await child.wait(0) == -signal.SIGKILL
        assert not is_there(far)
        assert list(_below(os.getpid())) == []


async def test_where_there_is_nobody_nobody_is_killed(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "kill", lambda pid, number: pytest.fail("who is that?"))
    assert await children.kill_all(LONG)


@pytest.mark.parametrize("error", [PermissionError, ProcessLookupError])
async def test_what_cannot_be_killed_is_given_up_in_time(
    children: Children, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise error

    async with started(children, *SLEEP) as child:
        with monkeypatch.context() as patch:
            patch.setattr(os, "kill", refuse)
            assert not await children.kill_all(SOON)
        assert is_there(child.pid)


async def test_a_process_may_be_called_anything(
    children: Children, tmp_path: Path, hurdle: Hurdle
) -> None:
    shell = shutil.which("sh")
    assert shell
    odd = tmp_path / "x) Z 1 ((y"
    odd.symlink_to(shell)
    async with started(children, str(odd), "-c", f"echo begun; {hurdle.wait}") as child:
        assert await first_line(child) == "begun"
        assert name(child) == odd.name
        assert list(_below(os.getpid())) == [child.pid]
        assert list(_below(child.pid)) == []


def test_one_that_has_ended_is_not_there() -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert is_there(zombie.pid)
    assert list(_below(os.getpid())) == []
    zombie.wait()


async def test_one_that_ends_while_it_is_looked_at_is_not_there(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_text
    async with started(children, *SLEEP) as child:

        def gone(path: Path, **more: Any) -> str:
            if path == Path(f"/proc/{child.pid}/stat"):
                raise FileNotFoundError
            return read(path, **more)

        assert list(_below(os.getpid())) == [child.pid]
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", gone)
            assert list(_below(os.getpid())) == []


# A kernel's parent.


def test_a_kernel_s_parent_adopts() -> None:
    assert not is_subreaper()
    prepare_process()
    assert is_subreaper()


def test_where_that_is_not_possible_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Library:
        @staticmethod
        def prctl(*arguments: int) -> int:
            ctypes.set_errno(1)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *name, **options: Library)
    prepare_process()
    options = (module.PR_SET_CHILD_SUBREAPER,)
    assert caplog.messages == [f"prctl({n}) failed: Operation not permitted" for n in options]

"""How w2z ends with the kernel that it started: in time, by signals, as PID 1, not yet ready."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, execute_request, open_client, stdout
from tests.support.processes import IPYKERNEL, TINY, Hurdle, W2z, is_there, launched
from tests.support.rest import Rest
from tests.support.waiting import TURN

DOCKER_WAITS = 10.0
"""Seconds that ``docker stop`` leaves between SIGTERM and SIGKILL."""

NO_KERNEL = ("--", "sh", "-c", "sleep 1000", "{connection_file}")

DEAF = """
import ctypes, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
globals().get("say", print)("deaf")
sys.stdout.flush()
open({heard!r}).close()
ctypes.PyDLL(None).sleep(1000)
"""
"""No signal that can be ignored ends it, and no message: it never lets go of the interpreter."""


async def make_deaf(client: Client) -> dict[str, Any]:
    """Run the cell until nothing but SIGKILL ends the kernel; return the request's header."""
    with tempfile.TemporaryDirectory() as folder:
        # The cell waits at the pipe until its word has been heard: another thread sends that.
        heard = Path(folder, "heard")
        os.mkfifo(heard)
        asked = await client.send(execute_request(DEAF.format(heard=str(heard))))
        assert stdout([await client.until("stream", asked)]).strip() == "deaf"
        await asyncio.to_thread(heard.write_text, "")
    return asked


async def time_to_end(served: W2z, number: int = signal.SIGTERM) -> float:
    """Send w2z that signal; seconds until it has ended."""
    began = time.monotonic()
    await served.process.end(number)
    return time.monotonic() - began


async def refused(rest: Rest, line: str) -> bool:
    """Whether the answer is an error, or the connection just ends."""
    try:
        return (await rest.ask(line)).status >= 500
    except (ConnectionError, asyncio.IncompleteReadError):
        return True


@pytest.mark.parametrize("state", ["idle", "busy"])
async def test_sigterm_ends_an_ipykernel_without_force(
    tmp_path: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await client.execute("1")
        if state == "busy":
            asked = await client.send(execute_request("while True: pass"))
            await client.until("execute_input", asked)
        took = await time_to_end(served)
        with capsys.disabled():
            sys.stdout.write(f"\nSIGTERM with a kernel that is {state}: ended after {took:.2f} s\n")
        assert "does not end" not in served.process.output
        assert took < DOCKER_WAITS
        assert (await client.closed())[0] == 1012


async def test_a_kernel_that_is_deaf_and_holds_its_interpreter_is_killed_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await make_deaf(client)
        kernel = await served.kernel()
        took = await time_to_end(served)
        with capsys.disabled():
            sys.stdout.write(f"\nSIGTERM with a deaf kernel: ended after {took:.2f} s\n")
        await served.process.line("still does not end: SIGKILL")
        assert not is_there(kernel)
        assert took < DOCKER_WAITS


async def test_a_stopped_kernel_is_killed_in_time(tmp_path: Path) -> None:
    options = ("--shutdown-timeout", "0.2", "--terminate-timeout", "0.2", "--kernel", "python3")
    async with launched(tmp_path, *options, ends=143) as served:
        await served.ready()
        os.kill(await served.kernel(), signal.SIGSTOP)
        await time_to_end(served)
        await served.process.line("still does not end: SIGKILL")


async def test_a_deaf_kernel_that_never_got_ready_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf')"
    command = ("--", sys.executable, "-u", "-c", f"{deaf}; signal.pause()", "{connection_file}")
    options = ("--terminate-timeout", "0.2", *command)
    async with launched(tmp_path, *options, ends=143) as served:
        await served.process.line("^kernel: deaf$")
        await time_to_end(served)
        await served.process.line("still does not end: SIGKILL")


async def test_a_second_sigterm_kills_at_once(tmp_path: Path) -> None:
    """The kernel would have had a thousand seconds."""
    options = ("--shutdown-timeout", "1000", "--terminate-timeout", "1000", *TINY)
    async with (
        launched(tmp_path, *options, ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await make_deaf(client)
        served.process.process.send_signal(signal.SIGTERM)
        await served.process.line("SIGTERM: shutting down")
        # One that comes at once is the same.
        while "SIGTERM: in a hurry" not in served.process.output:
            served.process.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(TURN)


async def test_sigterm_while_the_next_kernel_is_starting(tmp_path: Path) -> None:
    hurdle = Hurdle(tmp_path)
    hurdle.pass_one()
    async with (
        launched(tmp_path, *hurdle.before(IPYKERNEL), ends=143) as served,
        served.rest() as rest,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        [model] = await rest.json("GET /api/kernels")
        asking = tasks.create_task(refused(rest, f"POST /api/kernels/{model['id']}/restart"))
        await served.kernel(2)
        assert await served.process.end(signal.SIGTERM) == 143
        assert await asking
    hurdle.close()


async def test_sigterm_while_a_restart_ends_the_kernel(tmp_path: Path) -> None:
    options = ("--shutdown-timeout", "0.5", "--terminate-timeout", "0.2", *TINY)
    async with (
        launched(tmp_path, *options, ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
        asyncio.TaskGroup() as tasks,
    ):
        await served.ready()
        await make_deaf(client)
        [model] = await rest.json("GET /api/kernels")
        asking = tasks.create_task(refused(rest, f"POST /api/kernels/{model['id']}/restart"))
        async with served.rest() as other:
            while (await other.ask("GET /readyz")).status == 200:
                pass
        assert await served.process.end(signal.SIGTERM) == 143
        assert await asking
        assert len(re.findall("started the kernel", served.process.output)) == 1


# Before the kernel is ready.


async def test_a_kernel_that_never_answers_is_exit_code_4(tmp_path: Path) -> None:
    options = ("--ready-timeout", "1", *NO_KERNEL)
    async with launched(tmp_path, *options, ends=4) as served:
        await served.process.line(r"^w2z: the kernel was not ready within 1 s \(--ready-timeout\)")
        assert len(re.findall("started the kernel", served.process.output)) == 1


async def test_sigterm_while_a_kernel_does_not_answer(tmp_path: Path) -> None:
    async with launched(tmp_path, *NO_KERNEL, ends=143) as served:
        await served.kernel()
        assert await time_to_end(served) < DOCKER_WAITS
        assert "does not end" not in served.process.output


async def test_a_command_that_fails_at_once_tells_why_and_is_run_once(tmp_path: Path) -> None:
    command = ("--", "sh", "-c", "echo run >> runs; echo boom >&2; exit 3", "{connection_file}")
    async with launched(tmp_path, *command, ends=3) as served:
        await served.process.line("end of output")
        said, told = served.process.output.split("w2z: the kernel ended with exit code 3")
        assert told.startswith(" before it was ready; its last words are above")
        assert "kernel: boom" in said
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_a_command_that_ends_at_once_without_complaint_is_exit_code_5(
    tmp_path: Path,
) -> None:
    async with launched(tmp_path, "--", "true", "{connection_file}", ends=5) as served:
        await served.process.line("^w2z: the kernel ended with exit code 0 before it was ready")


async def test_a_command_that_does_not_exist_is_exit_code_5(tmp_path: Path) -> None:
    async with launched(tmp_path, "--", "no-such-kernel", "{connection_file}", ends=5) as served:
        await served.process.line(
            "^w2z: the kernel cannot be started: no-such-kernel: No such file"
        )


# As PID 1 of a container.

_AS_ROOT = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
PID_1 = ["unshare", *_AS_ROOT, "--pid", "--fork", "--mount-proc", "--kill-child"]


def child_of(pid: int) -> int:
    """The only child of that process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


ORPHAN = """
import subprocess, pathlib, time
orphan = pathlib.Path('/proc') / subprocess.check_output(
    ['sh', '-c', 'sleep 0.1 > /dev/null & echo $!'], text=True).strip()
parent = (orphan / 'stat').read_text().split()[3]
until = time.monotonic() + 10
while orphan.exists() and time.monotonic() < until: time.sleep(0.01)
print(parent, orphan.exists())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_as_pid_1_it_ends_by_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    options = ("--kernel", "python3")
    async with (
        launched(tmp_path, *options, below=PID_1, ends=128 + number) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert stdout(await client.execute("import os; print(os.getppid())")) == "1\n"
        await served.ready()
        os.kill(child_of(served.pid), number)
        assert (await client.closed())[0] == 1012


async def test_as_pid_1_it_reaps_orphans(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", below=PID_1, ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert stdout(await client.execute(ORPHAN)) == "1 False\n"
        await served.ready()
        os.kill(child_of(served.pid), signal.SIGTERM)


HANDLER = """
import signal
seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
"""
WAIT_FOR_IT = """
import time
until = time.monotonic() + 10
while not seen and time.monotonic() < until: time.sleep(0.01)
print(seen == [signal.SIGUSR1])
"""


async def test_as_pid_1_it_passes_sigusr1_on_to_the_kernel(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", below=PID_1, ends=143) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute(HANDLER)
        os.kill(child_of(served.pid), signal.SIGUSR1)
        assert stdout(await client.execute(WAIT_FOR_IT)) == "True\n"
        await served.ready()
        os.kill(child_of(served.pid), signal.SIGTERM)

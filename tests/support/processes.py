"""Real processes: kernels, and w2z started as its user starts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.connect import write_connection_file

from tests.support.rest import Rest, open_rest

TOKEN = "a-token-for-tests"

# Output that fails a test: warnings of any kind, but not asyncio's remarks about slow steps.
_COMPLAINTS = re.compile(
    r"Warning|Traceback|never (awaited|retrieved)|Exception ignored|was destroyed|Unclosed"
)


@dataclass
class Process:
    """A child process and the lines that it printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while line := await stream.readline():
            async with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self.lines.append("(end of output)")
            self._news.notify_all()

    async def line(self, pattern: str, number: int = 1) -> re.Match[str]:
        """Wait for the ``number``-th line that matches; fail if the output ends without it."""
        async with self._news:
            while True:
                found = [match for line in self.lines if (match := re.search(pattern, line))]
                if len(found) >= number:
                    return found[number - 1]
                assert self.lines[-1:] != ["(end of output)"], "\n".join(self.lines)
                await self._news.wait()

    async def end(self, number: int | None = None) -> int:
        """Send a signal if given, and wait for the end. Returns the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return await self.process.wait()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[Process]:
    """Run a child process. At the end of the block, it is killed with its whole process group."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    child = Process(process)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(child.follow())
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await following


async def listening(port: int) -> None:
    """Wait until a port accepts: a Jupyter server prints that it listens a moment too early."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0)
        else:
            writer.close()
            await writer.wait_closed()
            return


@asynccontextmanager
async def ipykernel(folder: Path, name: str = "connection.json") -> AsyncIterator[Path]:
    """Run a real ipykernel; gives its connection file."""
    path = folder / name
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(path)]
    environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
    async with running(*command, env=environment):
        yield path


@asynccontextmanager
async def supervised_ipykernel(folder: Path) -> AsyncIterator[Path]:
    """Run an ipykernel that is started again, on the same ports, whenever it ends."""
    path, kept = folder / "connection.json", folder / "kept.json"
    # An address of its own: no program takes the ports while no kernel is there.
    ip = "127." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))
    write_connection_file(str(kept), ip=ip, key=secrets.token_hex().encode())
    # A kernel removes its connection file when it ends.
    loop = 'while :; do cp "$1" "$2"; "$3" -m ipykernel_launcher -f "$2"; done'
    command = ["sh", "-c", loop, "sh", str(kept), str(path), sys.executable]
    environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
    async with running(*command, env=environment):
        yield kept


@dataclass
class W2z:
    """A running ``w2z`` and where it listens."""

    process: Process
    url: str

    def websocket(self, session_id: str | None = None, path: str = "channels") -> str:
        session = f"&session_id={session_id}" if session_id else ""
        return f"{self.url.replace('http', 'ws', 1)}{path}?token={TOKEN}{session}"

    @property
    def pid(self) -> int:
        """The id of the process that :func:`running` started."""
        return self.process.process.pid

    async def ready(self, number: int = 1) -> None:
        """Wait until w2z has logged ``number`` times that a kernel is ready."""
        await self.process.line("the kernel is ready", number)

    async def kernel(self, number: int = 1) -> int:
        """Wait for the ``number``-th kernel that w2z starts; return its process id."""
        return int((await self.process.line(r"started the kernel: process (\d+)", number))[1])

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[Rest]:
        """Open a client of w2z's REST API."""
        async with open_rest(self.url, f"Authorization: token {TOKEN}") as rest:
            yield rest


def peak(found: W2z) -> int:
    """Return the most memory that w2z has used so far, in bytes."""
    status = Path(f"/proc/{found.pid}/status").read_text()
    measured = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert measured, status
    return int(measured[1]) * 1024


@asynccontextmanager
async def w2z(
    connection_file: Path,
    *options: str,
    token: str | None = TOKEN,
    development: bool = True,
    below: Sequence[str] = (),
) -> AsyncIterator[W2z]:
    """Run ``w2z`` with a connection file. At the end it has to stop by SIGTERM without complaints.

    It runs in Python's ``development`` mode, which tests that measure memory turn off. ``below`` is
    a command that runs it.
    """
    mode = ("-X", "dev") if development else ()
    command = [
        *below,
        sys.executable,
        *mode,
        "-m",
        "w2z",
        "--connection-file",
        str(connection_file),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    if token is not None:
        environment["W2Z_TOKEN"] = token
    options = ("--host", "127.0.0.1", "--port", "0", *options)
    async with running(*command, *options, env=environment) as process:
        found = await process.line(r"http://\S+")
        yield W2z(process, found[0])
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM
        assert not _COMPLAINTS.search(process.output), process.output


IPYKERNEL = ("--", sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
TINY = ("--", sys.executable, str(Path(__file__).with_name("tiny_kernel.py")), "{connection_file}")
"""Options of w2z that start an ipykernel, or the kernel of tests/support/tiny_kernel.py."""

WITHOUT_UVLOOP = (
    "-c",
    "import sys; sys.modules['uvloop'] = None; from w2z.cli import main; main()",
)
"""Arguments of Python that run w2z as if uvloop was not installed."""

_MARK = "STARTED_BY_TEST"


async def outlived(folder: Path, seconds: int) -> None:
    """Wait until a w2z that nobody needs has ended by its ``--idle-timeout`` of ``seconds``.

    Whatever was there before has then been there for longer than that.
    """
    apart = Path(tempfile.mkdtemp(dir=folder))
    options = ("--idle-timeout", str(seconds), *TINY)
    async with launched(apart, *options, ends=0) as unneeded:
        await unneeded.process.line("nobody has needed the kernel")


@asynccontextmanager
async def launched(
    folder: Path,
    *options: str,
    ends: int | None = None,
    below: Sequence[str] = (),
    python: Sequence[str] = ("-m", "w2z"),
) -> AsyncIterator[W2z]:
    """Run ``w2z`` that starts a kernel; ``folder`` is the TMPDIR of both.

    At the end it has to stop without complaints, and to leave no process of a kernel and no file.
    With ``ends`` it has to end by itself with that exit code; otherwise it gets SIGTERM. ``below``
    is a command that runs it, and ``python`` are Python's arguments.
    """
    mark = secrets.token_hex()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    environment = {
        **inherited,
        "W2Z_TOKEN": TOKEN,
        "TMPDIR": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "DENO_DIR": str(folder / "deno"),
        "LC_ALL": "C.UTF-8",
        _MARK: mark,
    }
    command = [*below, sys.executable, "-X", "dev", *python, "--host", "127.0.0.1", "--port", "0"]
    async with running(*command, *options, env=environment, cwd=folder) as process:
        try:
            found = await process.line(r"http://\S+")
            yield W2z(process, found[0])
            number = signal.SIGTERM if ends is None else None
            expected = 128 + signal.SIGTERM if ends is None else ends
            assert await process.end(number) == expected, process.output
            assert processes_with(mark) == [], process.output
            assert not _COMPLAINTS.search(process.output), process.output
            assert left_behind(folder) == []
        finally:
            # Kernels lead process groups of their own: after a failure of w2z they still run.
            for pid in processes_with(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def processes_with(mark: str) -> list[int]:
    """Return the ids of the processes that have the mark in their environment."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and wanted in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def left_behind(folder: Path) -> list[Path]:
    """Return what w2z made in its TMPDIR."""
    return list(folder.glob("w2z-*"))


def is_there(pid: int) -> bool:
    """Whether there is a process with this id, even a zombie."""
    return Path(f"/proc/{pid}").exists()


class Hurdle:
    """A named pipe at which kernels wait before they start, until the test lets them pass."""

    def __init__(self, folder: Path) -> None:
        path = folder / "hurdle"
        os.mkfifo(path)
        # For reading and writing, so that opening does not wait for another end.
        self._pipe = os.open(path, os.O_RDWR)
        self._script = ("sh", "-c", 'read -r _ < "$0"; exec "$@"', str(path))

    def before(self, options: Sequence[str]) -> list[str]:
        """Return ``-- COMMAND`` with the hurdle in front of the command."""
        return ["--", *self._script, *options[1:]]

    def pass_one(self) -> None:
        """Let one kernel pass, at once or as soon as it comes."""
        os.write(self._pipe, b"\n")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._pipe)

"""``w2z exec``: what it prints, what it saves, what it asks, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_attach_ends import w2z_to_end
from tests.support.attaching import kernel_at, place
from tests.support.cells import ENDLESS
from tests.support.processes import IPYKERNEL, TOKEN, W2z, launched, w2z
from tests.support.remote import remote
from tests.support.waiting import until, within
from w2z.client.rest import Rest
from w2z.errors import ExitCode


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return self.err.strip().rpartition("\n")[2]


def variables(token: str | None = TOKEN, **more: str) -> dict[str, str]:
    """The environment of the command."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    return {**kept, **({} if token is None else {"W2Z_TOKEN": token}), **more}


COMMAND = (sys.executable, "-X", "dev", "-m", "w2z", "exec")


async def run(
    url: str, *arguments: str, given: bytes = b"", env: dict[str, str] | None = None
) -> Ran:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        url,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env or variables(),
    )
    out, err = await process.communicate(given)
    assert process.returncode is not None
    assert "Traceback (most recent call last):\n  File" not in err.decode(), "w2z's own"
    # In development mode asyncio tells how slow this machine is.
    told = re.sub(r"^Executing <.* took \d+\.\d+ seconds\n", "", err.decode(), flags=re.MULTILINE)
    return Ran(process.returncode, out.decode(), told)


@pytest.fixture(scope="module")
def plot() -> str:
    return """
import base64
from IPython.display import display
png = base64.b64encode(b"\\x89PNG").decode()
display({"image/png": png, "text/plain": "<a picture>"}, raw=True)
display({"text/html": "<b>bold</b>", "text/plain": "bold"}, raw=True)
"""


async def test_it_prints_what_comes(served: W2z) -> None:
    ran = await run(
        served.url, "-c", "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6*7"
    )
    assert (ran.code, ran.out, ran.err) == (0, "out\n42\n", "err\n")


async def test_an_error_is_printed_and_tells_by_the_exit_code(served: W2z) -> None:
    ran = await run(served.url, "-c", "1/0")
    assert (ran.code, ran.out) == (ExitCode.FAILURE, "")
    assert "ZeroDivisionError: division by zero" in ran.err
    assert "\x1b" not in ran.err, "colours are for terminals"


async def test_the_code_may_come_from_a_file_or_standard_input(served: W2z, tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text("print('from the file')")
    assert (await run(served.url, str(file))).out == "from the file\n"
    assert (await run(served.url, "-", given=b"print('from stdin')")).out == "from stdin\n"


async def test_outputs_as_lines_of_json(served: W2z) -> None:
    ran = await run(served.url, "--json", "-c", "print(1)\n2")
    outputs = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["output_type"] for one in outputs] == ["stream", "execute_result"]
    assert outputs[1]["data"] == {"text/plain": "2"}
    ran = await run(served.url, "--json", "-c", "1/0")
    assert json.loads(ran.out)["ename"] == "ZeroDivisionError"
    assert ran.code == 1


async def test_pictures_are_saved(served: W2z, tmp_path: Path, plot: str) -> None:
    folder = tmp_path / "made" / "here"
    ran = await run(served.url, "--save-dir", str(folder), "-c", plot)
    assert ran.out == "<a picture>\nbold\n"
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == {
        "1-1.png": b"\x89PNG",
        "1-2.html": b"<b>bold</b>",
    }
    assert f"w2z: saved {folder}/1-1.png" in ran.err
    (folder / "2-1.png").write_bytes(b"mine")
    await run(served.url, "--save-dir", str(folder), "-c", plot)
    assert (folder / "2-1.png").read_bytes() == b"mine"
    assert (folder / "2-2.png").read_bytes() == b"\x89PNG"


async def test_a_folder_that_cannot_be_written_is_told(served: W2z, plot: str) -> None:
    ran = await run(served.url, "--save-dir", "/proc/nothing", "-c", plot)
    assert ran.code == ExitCode.USAGE
    assert ran.last.startswith("w2z: /proc/nothing")


async def test_when_the_time_is_over_what_came_is_shown(served: W2z) -> None:
    ran = await run(served.url, "--timeout", "500ms", "-c", ENDLESS)
    assert (ran.code, ran.out) == (ExitCode.TIMEOUT, "begun")
    assert ran.last == "w2z: not done in 0.5 seconds: interrupted"


async def test_without_a_terminal_nobody_is_asked(served: W2z) -> None:
    ran = await run(served.url, "-c", "input('name? ')", given=b"Ada\n")
    assert ran.code == 1
    assert "StdinNotImplementedError" in ran.err


async def test_who_reads_no_more_ends_it(served: W2z) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        served.url,
        "-c",
        "while True:\n    print('again', flush=True)",
        stdout=asyncio.subprocess.PIPE,
        env=variables(),
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    assert await process.wait() == 128 + signal.SIGPIPE
    # What comes while the kernel ends the cell is not run: "code before it failed".
    async with within(30, "the kernel is free again"):
        while (await run(served.url, "-c", "1")).code:
            pass


# What goes wrong.


@pytest.mark.parametrize(
    ("change", "token", "code", "words"),
    [
        ("", "wrong", ExitCode.UNAUTHORIZED, "check the token"),
        ("", None, ExitCode.UNAUTHORIZED, "set W2Z_TOKEN"),
        ("nothing/", TOKEN, ExitCode.UNKNOWN_KERNEL, "check the path"),
        ("api/kernels/another/", TOKEN, ExitCode.UNKNOWN_KERNEL, "check the path"),
    ],
)
async def test_who_is_refused(
    served: W2z, change: str, token: str | None, code: ExitCode, words: str
) -> None:
    ran = await run(served.url + change, "-c", "1", env=variables(token))
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1, "one sentence"


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("no-url", ExitCode.USAGE, "is no URL of a w2z"),
        ("http://me:word@127.0.0.1/", ExitCode.USAGE, "a user or a password"),
        ("http://127.0.0.1:1/", ExitCode.UNREACHABLE, "look whether it runs"),
    ],
)
async def test_where_there_is_no_w2z(url: str, code: ExitCode, words: str) -> None:
    ran = await run(url, "--patience", "0.2", "-c", "1")
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1, "one sentence"


async def test_what_is_not_w2z() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ran = await run(f"http://127.0.0.1:{port}/", "-c", "1")
    assert ran.code == ExitCode.NOT_W2Z
    assert "is not w2z" in ran.err


async def test_the_command_has_to_make_sense(served: W2z, tmp_path: Path) -> None:
    for arguments in ([], ["-c", "1", "file.py"], [str(tmp_path / "none.py")]):
        assert (await run(served.url, *arguments)).code == ExitCode.USAGE
    bad = tmp_path / "bad.py"
    bad.write_bytes(b"\xff")
    assert "not UTF-8" in (await run(served.url, str(bad))).err


async def test_a_token_in_the_url_works_with_a_warning(served: W2z) -> None:
    ran = await run(f"{served.url}?token={TOKEN}", "-c", "1", env=variables(None))
    assert (ran.code, ran.out) == (0, "1\n")
    assert "list of processes" in ran.err
    assert TOKEN not in ran.err


async def test_a_token_file(served: W2z, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    env = variables(None)
    assert (await run(served.url, "--token-file", str(file), "-c", "1", env=env)).code == 0
    env["W2Z_TOKEN_FILE"] = str(tmp_path / "none")
    assert (await run(served.url, "-c", "1", env=env)).code == ExitCode.TOKEN_FILE


async def test_a_kernel_that_dies(tmp_path: Path) -> None:
    async with launched(tmp_path, *IPYKERNEL) as served:
        await served.ready()
        code = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
        ran = await run(served.url, "-c", code)
        assert ran.code == ExitCode.KERNEL_DEAD
        assert "KernelLost: the kernel was killed by signal 9" in ran.err


async def test_a_kernel_that_is_dead(tmp_path: Path) -> None:
    path = place(tmp_path)
    async with AsyncExitStack() as stack:
        async with kernel_at(path) as kernel:
            served = await stack.enter_async_context(w2z(path))
            await served.ready()
            kernel.process.kill()
        ran = await run(served.url, "-c", "1")
        assert (ran.code, ran.out) == (ExitCode.KERNEL_DEAD, "")
        assert ran.last.endswith("is dead: the kernel ended")


async def test_a_message_that_is_too_large(tmp_path: Path) -> None:
    async with launched(tmp_path, "--max-message-size", "1MiB", *IPYKERNEL) as served:
        ran = await run(served.url, "-", given=b"#" * 2**21)
        assert ran.code == ExitCode.TOO_LARGE
        assert "TooLarge: w2z refused it" in ran.err


@asynccontextmanager
async def going_on(url: str, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command with code that has printed "begun" when the block begins."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        url,
        *more,
        "-c",
        ENDLESS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=variables(),
    )
    assert process.stdout is not None
    assert await process.stdout.readexactly(5) == b"begun"
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_w2z_that_is_restarted(kernel_file: Path) -> None:
    async with w2z_to_end(kernel_file) as first, going_on(first.url) as running:
        await first.process.end(signal.SIGKILL)
        port = re.findall(r":(\d+)", first.url)[0]
        async with w2z_to_end(kernel_file, "--port", port), within(5, "the end"):
            assert await running.wait() == ExitCode.SESSION_LOST


async def test_ctrl_c_interrupts_the_code(served: W2z) -> None:
    async with going_on(served.url) as running:
        running.send_signal(signal.SIGINT)
        assert await running.wait() == 1
        assert running.stderr is not None
        assert b"KeyboardInterrupt" in await running.stderr.read()


async def test_ctrl_c_twice_leaves(kernel_file: Path) -> None:
    """Also when w2z does not answer."""
    async with w2z_to_end(kernel_file) as served, going_on(served.url) as running:
        served.process.process.send_signal(signal.SIGSTOP)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert b"press Ctrl-C twice" in await running.stderr.readline()
        running.send_signal(signal.SIGINT)
        async with within(10, "the end"):
            assert await running.wait() == 130


# At a terminal.


class Terminal:
    """A terminal with the command in it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.shown = ""
        self._reader = asyncio.StreamReader()

    async def read(self) -> None:
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(self._reader)
        await loop.connect_read_pipe(lambda: protocol, os.fdopen(self._number, "rb", 0))

    async def until(self, text: str) -> None:
        """Wait until something is shown; what came until then is not looked at again."""
        while text not in self.shown:
            data = await self._reader.read(1000)
            self.shown += data.decode()
        self.shown = self.shown.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self._number, text.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._number)[3] & termios.ECHO)


@asynccontextmanager
async def terminal(
    url: str, *arguments: str
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        url,
        *arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=variables(),
        start_new_session=True,
    )
    os.close(theirs)
    screen = Terminal(ours)
    await screen.read()
    try:
        yield screen, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_questions_are_asked_at_a_terminal(served: W2z) -> None:
    code = "import getpass\nprint('hi', input('name? '))\nprint(len(getpass.getpass('word? ')))"
    async with terminal(served.url, "-c", code) as (screen, process):
        await screen.until("name? ")
        screen.type("Ada\n")
        await screen.until("hi Ada")
        await screen.until("word? ")
        await until(lambda: not screen.echoes, "what is typed is not shown")
        screen.type("secret\n")
        await screen.until("6")
        assert "secret" not in screen.shown
        assert await process.wait() == 0


async def test_ctrl_c_at_a_question(served: W2z) -> None:
    async with terminal(served.url, "-c", "input('name? ')") as (screen, process):
        await screen.until("name? ")
        process.send_signal(signal.SIGINT)
        await screen.until("KeyboardInterrupt")
        assert await process.wait() == 1


async def test_a_line_says_what_goes_on_while_nothing_is_printed(served: W2z) -> None:
    async with terminal(served.url, "-c", ENDLESS) as (screen, process):
        await screen.until("[w2z] running, ")
        process.send_signal(signal.SIGINT)
        await screen.until("\r\x1b[K")
        assert await process.wait() == 1


async def test_a_line_says_what_is_waited_for(served: W2z) -> None:
    async with going_on(served.url), terminal(served.url, "-c", "1") as (screen, process):
        await screen.until("[w2z] waiting for the kernel, ")
        await Rest(remote(served.url)).interrupt()
        assert await process.wait() == 1, "dropped, because the code before it failed"

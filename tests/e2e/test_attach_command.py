"""``w2z attach`` as a process: what it says, leaves behind and does at its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pexpect
import pytest

from tests.support.frontends import Desk, desk
from tests.support.processes import TINY, TOKEN, Process, W2z, is_there, launched
from tests.support.waiting import until
from w2z.kernel import connection_file

SECRET = {"W2Z_TOKEN": TOKEN}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[W2z]:
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, *TINY) as made:
        await made.ready()
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Desk:
    return desk(tmp_path)


@asynccontextmanager
async def attach(here: Desk, *arguments: str, **env: str) -> AsyncIterator[Process]:
    command = ("-X", "dev", "-m", "w2z", "attach", *arguments)
    async with here.run(*command, env={**SECRET, **env}) as process:
        yield process


async def refused(here: Desk, *arguments: str, code: int, **env: str) -> str:
    """The one line that is said about bad input; nothing is left."""
    before = sorted(here.folder.rglob("*.json"))
    async with attach(here, *arguments, **env) as process:
        assert await process.end() == code, process.output
        await process.line(r"\(end of output\)")
    assert sorted(here.folder.rglob("*.json")) == before
    assert not list((here.folder / "tmpdir").iterdir())
    [line] = process.lines[:-1]
    assert TOKEN not in line
    return line


async def test_it_prints_the_path_of_its_file_and_nothing_else(there: W2z, here: Desk) -> None:
    async with attach(here, there.url) as process:
        path = Path((await process.line(r"^/.*\.json$"))[0])
        info = connection_file.read(path)
        assert info.key
        assert path.parent == here.folder / "runtime"
        assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM
        await process.line(r"\(end of output\)")
        assert process.lines == [str(path), "(end of output)"]
    assert not here.made("runtime")


async def test_sockets_can_be_unix_sockets(there: W2z, here: Desk) -> None:
    async with attach(here, there.url, "--transport", "ipc") as process:
        path = Path((await process.line(r"^/.*\.json$"))[0])
        info = connection_file.read(path)
        folder = Path(info.ip).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        await process.end(signal.SIGHUP)
        assert not folder.exists()


async def test_the_kernel_can_be_ended_with_it(tmp_path: Path, here: Desk) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, *TINY, ends=0) as there:
        await there.ready()
        async with attach(here, there.url, "--on-shutdown", "stop") as process:
            await process.line(r"^/.*\.json$")
            assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM


async def test_it_leaves_when_its_frontend_was_killed(there: W2z, here: Desk) -> None:
    """A frontend says in ``JPY_PARENT_PID`` who it is."""
    script = (
        "import os, subprocess, sys, time\n"
        "os.environ['JPY_PARENT_PID'] = str(os.getpid())\n"
        "child = subprocess.Popen(sys.argv[1:], start_new_session=True)\n"
        "print('child', child.pid, flush=True)\n"
        "child.wait()\n"
    )
    file = here.folder / "kernel.json"
    command = (sys.executable, "-m", "w2z", "attach", there.url, "-f", str(file), "--one-kernel")
    async with here.run("-c", script, *command, env=SECRET) as frontend:
        child = int((await frontend.line(r"child (\d+)"))[1])
        await until(file.exists, "it attaches", 20)
        os.kill(frontend.process.pid, signal.SIGKILL)
        await until(lambda: not is_there(child), "it leaves", 20)
        assert not file.exists()


async def test_on_a_terminal_a_line_shows_the_state(there: W2z, here: Desk) -> None:
    def use() -> None:
        arguments = ["-m", "w2z", "attach", there.url]
        environment = {**here.environment, **SECRET}
        terminal = pexpect.spawn(sys.executable, arguments, env=environment, encoding="utf-8")
        try:
            terminal.expect("w2z: connecting to http")
            terminal.expect(r"\.json")
            terminal.expect(r"w2z: connected to http\S+; kernel idle")
            # Two that come at once are one signal.
            ways = [pexpect.EOF, pexpect.TIMEOUT]
            terminal.sendintr()
            while terminal.expect(ways, timeout=0.2):
                terminal.sendintr()
            terminal.wait()
            # The last one may have come when attach had no use for it any more.
            assert terminal.exitstatus == 128 + signal.SIGINT or terminal.signalstatus == 2
        finally:
            terminal.close(force=True)

    await asyncio.to_thread(use)


async def test_bad_input_is_one_sentence_and_an_exit_code(
    there: W2z, here: Desk, tmp_path: Path
) -> None:
    url = there.url
    assert "check the token" in await refused(here, url, code=12, W2Z_TOKEN="wrong")
    assert "is no URL" in await refused(here, "ftp://there", code=2)
    nobody = await refused(here, "http://127.0.0.1:1/", "--patience", "0.2", code=10)
    assert "look whether it runs" in nobody
    missing = await refused(here, url, "--token-file", "/nowhere", code=7)
    assert "/nowhere" in missing
    file = tmp_path / "there.json"
    file.write_text("{}")
    assert "it exists" in await refused(here, url, "-f", str(file), code=3)
    odd = await refused(here, url, "-f", str(file), "--one-kernel", code=3)
    assert "shell_port" in odd
    assert file.read_text() == "{}"
    elsewhere = await refused(here, url, "-f", "/proc/kernel.json", code=3)
    assert "cannot be written" in elsewhere
    assert "Kernel does not exist: other" in await refused(here, f"{url}api/kernels/other", code=13)


async def test_a_port_that_is_taken_is_told(there: W2z, here: Desk, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        names = ("shell", "iopub", "stdin", "control", "hb")
        fields = {f"{name}_port": port for name in names}
        file = tmp_path / "there.json"
        file.write_text(json.dumps({**fields, "key": "k", "ip": "127.0.0.1"}))
        said = await refused(here, there.url, "-f", str(file), "--one-kernel", code=6)
    assert f"127.0.0.1:{port} is taken" in said


async def test_either_a_url_or_an_image_is_wanted(here: Desk) -> None:
    for arguments in ((), ("http://127.0.0.1:1/", "--image", "any")):
        async with attach(here, *arguments) as process:
            assert await process.end() == 2
            await process.line("give either the URL of a w2z or --image")

"""A kernel that runs as another user than w2z, which is root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from tests.support.client import Client, open_client, stdout
from tests.support.processes import TINY, is_there, launched
from tests.support.rest import Rest

UID = 65534
SITE = Path(zmq.__file__).parents[1]

pytestmark = pytest.mark.skipif(
    os.getuid() != 0, reason="--kernel-uid is for a w2z that is root: run the tests as root"
)


def runs(*python: str) -> bool:
    """Whether the other user can run that Python, with the packages of this one."""
    command = [*python, "-c", "import sys, zmq; sys.exit(sys.version_info[:2] != (%d, %d))"]
    command[-1] %= sys.version_info[:2]
    try:
        ran = subprocess.run(command, check=False, user=UID, group=UID, extra_groups=[], cwd="/")
        return ran.returncode == 0
    except PermissionError:
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """Pytest's own folders are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="w2z-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def kernel(folder: Path) -> tuple[str, ...]:
    """Options that start a kernel with a Python that the other user can run."""
    program = folder / "tiny_kernel.py"
    program.write_text(Path(TINY[-2]).read_text())
    for python in ((sys.executable,), ("env", f"PYTHONPATH={SITE}", "/usr/bin/python3")):
        if runs(*python):
            return ("--", *python, str(program), "{connection_file}")
    pytest.skip("no Python here can be run by another user")


async def told(client: Client, expression: str) -> str:
    return stdout(await client.execute(f"import os; say(str({expression}))"))


READ = """
def read(name):
    try:
        return open(name).read()
    except OSError as error:
        return error.strerror
say(read({name!r}))
"""


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
async def test_its_code_can_read_neither_the_token_s_file_nor_w2z_s_memory(
    folder: Path, kernel: tuple[str, ...], transport: str
) -> None:
    secret = folder / "token"
    secret.write_text("s3cret")
    secret.chmod(0o400)
    options = ("--kernel-uid", f"{UID}:{UID}", "--transport", transport)
    async with (
        launched(folder, *options, *kernel) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        assert await told(client, "(os.getuid(), os.getgid(), os.getgroups())") == (
            f"({UID}, {UID}, [{UID}])"
        )
        for name in (str(secret), f"/proc/{served.pid}/environ", f"/proc/{served.pid}/fd/0"):
            heard = stdout(await client.execute(READ.format(name=name)))
            assert heard == "Permission denied"
        assert await told(client, "'PATH' in os.environ") == "True"


async def test_it_is_restarted_and_started_again_after_a_crash_like_any_other(
    folder: Path, kernel: tuple[str, ...]
) -> None:
    async with (
        launched(folder, "--kernel-uid", str(UID), *kernel) as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        await served.ready()
        first = await served.kernel()
        away = int(await told(client, "os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', 'sleep', '99')"))
        await restarted(rest)
        assert not is_there(first)
        assert not is_there(away)
        assert await told(client, "os.getuid()") == str(UID)
        os.kill(await served.kernel(2), signal.SIGKILL)
        await client.until_state("restarting")
        assert await told(client, "os.getuid()") == str(UID)


async def restarted(rest: Rest) -> None:
    [model] = await rest.json("GET /api/kernels")
    answer = await rest.ask(f"POST /api/kernels/{model['id']}/restart")
    assert answer.status == 200


async def test_its_connection_file_is_its_own_in_a_directory_that_is_not(
    folder: Path, kernel: tuple[str, ...]
) -> None:
    async with (
        launched(folder, "--kernel-uid", str(UID), "--transport", "ipc", *kernel) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        path = Path(await told(client, "__import__('sys').argv[1]"))
        assert owner_and_mode(path) == (UID, 0o600)
        assert owner_and_mode(path.parent) == (0, 0o711)
        assert owner_and_mode(sockets_of(path)) == (UID, 0o700)


def sockets_of(path: Path) -> Path:
    return Path(json.loads(path.read_text())["ip"]).parent


def owner_and_mode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_mode & 0o777

"""Containers that are started for a kernel: by a command, a kernelspec and a provisioner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import AsyncKernelManager, start_new_async_kernel

from tests.containers.images import image, stand_in
from tests.containers.podman import environment, podman
from tests.containers.test_layer import COMMAND, with_w2z
from tests.support.client import stdout
from tests.support.frontends import Desk, client_of, desk, jupyter_server
from tests.support.processes import Process
from tests.support.waiting import until, within

SOCKET = Path("/run/w2z-engine.sock")
ENGINE = {"DOCKER_HOST": f"unix://{SOCKET}"}


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    """Podman, as it serves the Docker Engine API."""
    command = ["podman", "system", "service", "--time=0", f"unix://{SOCKET}"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL) as serving:
        try:
            while not SOCKET.exists():
                assert serving.poll() is None
            yield
        finally:
            serving.terminate()
            serving.wait()
            SOCKET.unlink(missing_ok=True)


@pytest.fixture(params=["w2z-python"])
def name(request: pytest.FixtureRequest) -> str:
    return image(request.param)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = desk(tmp_path)
    for variable, value in {**made.variables, **ENGINE}.items():
        monkeypatch.setenv(variable, value)
    return made


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Every container that a test made is gone at its end."""
    yield
    await until(lambda: not ours(), "the containers are gone", 30)


def ours() -> list[dict[str, Any]]:
    found = podman("ps", "--all", "--filter", "label=w2z.owner.pid", "--format", "json")
    listed: list[dict[str, Any]] = json.loads(found or "[]")
    return listed


@asynccontextmanager
async def started() -> AsyncIterator[tuple[AsyncKernelManager, Any]]:
    """A kernel of the kernelspec ``boxed``, until the end of the block."""
    manager, client = await start_new_async_kernel(kernel_name="boxed")
    try:
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()


async def asked(client: Any, code: str) -> str:
    """Run code; return what it printed."""
    said: list[str] = []

    def note(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    reply = await client.execute_interactive(code, timeout=30, output_hook=note)
    assert reply["content"]["status"] == "ok", reply
    return "".join(said)


async def test_a_kernelspec_of_an_image(here: Desk, name: str) -> None:
    limits = ("--memory", "400M", "--cpus", "1.5", "--env", "SOME=thing")
    await here.w2z("kernelspec", "install", "boxed", "--image", name, *limits, token=None)
    assert ours() == [], "it was only asked what it is"
    spec = json.loads((here.folder / "jupyter_data_dir/kernels/boxed/kernel.json").read_text())
    assert spec["language"] == "python"

    async with started() as (manager, client):
        code = "import os; print(os.environ['SOME'], os.getuid())"
        assert await asked(client, code) == "thing 1000\n"
        [container] = ours()
        told = podman("inspect", container["Id"])
        assert '"Memory": 419430400' in told
        assert '"NanoCpus": 1500000000' in told
        assert token_of(container["Id"]) not in told
        assert podman("port", container["Id"]).startswith("8888/tcp -> 127.0.0.1:")

        # Another frontend's kernel is in another container.
        async with started():
            assert len(ours()) == 2

        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert await asked(client, "print('fresh')") == "fresh\n"
        [later] = ours()
        assert later["Id"] != container["Id"]


def token_of(container_id: str) -> str:
    return podman("exec", container_id, "cat", "/.w2z/token")


async def test_a_provisioner_keeps_its_container_over_a_restart(here: Desk, name: str) -> None:
    provisioned = ("install", "boxed", "--image", name, "--provisioner")
    await here.w2z("kernelspec", *provisioned, token=None)
    async with started() as (manager, client):
        await asked(client, "kept = 1; open('/tmp/kept', 'w').close()")
        [container] = ours()
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert [one["Id"] for one in ours()] == [container["Id"]]
        code = "import os; print('kept' in globals(), os.path.exists('/tmp/kept'))"
        assert await asked(client, code) == "False True\n"


async def test_a_container_that_is_gone_is_dead(here: Desk, name: str) -> None:
    provisioned = ("install", "boxed", "--image", name, "--provisioner")
    await here.w2z("kernelspec", *provisioned, token=None)
    async with started() as (manager, client):
        [container] = ours()
        podman("rm", "--force", "--time=0", container["Id"])
        async with within(20, "the kernel is dead"):
            while await manager.is_alive():
                pass
        # The restart makes another one.
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=60)
        assert await asked(client, "print('again')") == "again\n"


@pytest.mark.parametrize("options", [(), ("--provisioner",)], ids=["argv", "provisioner"])
async def test_a_notebook_has_a_container_until_it_is_shut_down(
    here: Desk, name: str, options: tuple[str, ...]
) -> None:
    await here.w2z("kernelspec", "install", "boxed", "--image", name, *options, token=None)
    async with jupyter_server(here, "boxed", **ENGINE) as (url, rest):
        notebook = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook"}
        asked = {**notebook, "kernel": {"name": "boxed"}}
        session = await rest.json("POST /api/sessions", asked, status=201)
        async with client_of(url, session["kernel"]["id"]) as client:
            assert stdout(await client.execute("import os; print(os.getuid())")) == "1000\n"
        assert len(ours()) == 1
        await rest.done(f"DELETE /api/sessions/{session['id']}")
        await until(lambda: not ours(), "the container is gone", 30)


async def test_what_was_left_behind_ends_by_itself(here: Desk, name: str) -> None:
    command = ("attach", "--image", name, "--abandoned-after", "8")
    async with here.run("-m", "w2z", *command, env=ENGINE) as process:
        await process.line(r"^/.*\.json$")
        assert len(ours()) == 1
        os.kill(process.process.pid, signal.SIGKILL)


async def test_a_mount_and_a_layer(here: Desk, tmp_path: Path) -> None:
    """In an image without w2z, without Python and without a C library."""
    with_w2z("busybox:stable-musl", tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "said").write_text("from outside")
    options = ("--layer", "w2z", "--command", " ".join([*COMMAND, "{connection_file}"]))
    mount = ("--mount", f"{shared}:/shared:ro", "--pull", "never")
    base = "w2z-test-busybox-base"
    await here.w2z("kernelspec", "install", "boxed", "--image", base, *options, *mount, token=None)
    async with started() as (_, client):
        assert await asked(client, "say(open('/shared/said').read())") == "from outside"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_while_it_starts_leaves_nothing(
    here: Desk, name: str, number: signal.Signals
) -> None:
    async with here.run("-m", "w2z", "attach", "--image", name, env=ENGINE) as process:
        await until(ours, "there is a container", 30)
        assert await process.end(number) == 128 + number, process.output


async def complaint(here: Desk, *arguments: str, code: int, **env: str) -> str:
    """What is said about bad input: one line."""
    process: Process
    async with here.run("-m", "w2z", "attach", *arguments, env={**ENGINE, **env}) as process:
        assert await process.end() == code, process.output
        await process.line(r"\(end of output\)")
    assert process.lines[0].startswith("w2z: ")
    return process.lines[0]


async def test_bad_input_is_told_and_leaves_nothing(here: Desk) -> None:
    stand_in("busybox:stable-musl")
    busybox = "docker.io/library/busybox:stable-musl"
    never = ("--pull", "never")
    told = await complaint(here, "--image", "no-such-image", *never, code=21)
    assert "no-such-image" in told
    told = await complaint(here, "--image", busybox, "--command", "sleep 1", *never, code=21)
    assert "ended before a kernel was ready" in told
    quick = ("--command", "sleep 60", "--ready-timeout", "1")
    told = await complaint(here, "--image", busybox, *quick, *never, code=21)
    assert "no ready kernel in 1 seconds" in told
    told = await complaint(here, "--image", busybox, code=21, DOCKER_HOST="unix:///nowhere.sock")
    assert "no container engine" in told
    assert "two absolute paths" in await complaint(here, "--image", "x", "--mount", "a:b", code=2)
    assert "NAME=VALUE" in await complaint(here, "--image", "x", "--env", "a", code=2)
    assert "512M" in await complaint(here, "--image", "x", "--memory", "much", code=2)

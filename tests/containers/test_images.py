"""The images of containers/ as docs/containers.md builds and runs them."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

import pytest

from tests.containers.container import RUN, Container, container
from tests.containers.documented import command
from tests.containers.images import image
from tests.containers.podman import podman
from tests.support.client import Client, Received, execute_request, open_client, stdout
from tests.support.rest import open_rest

DOCKER_WAITS = 10.0
"""Seconds that ``podman stop`` and ``docker stop`` leave between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Kernel:
    """An image and a cell that prints 42 in its language."""

    image: str
    code: str


PIP = Kernel("w2z-pip", "print(6 * 7)")
KERNELS = [
    Kernel("w2z-python", "print(6 * 7)"),
    PIP,
    Kernel("w2z-bash", "echo $((6 * 7))"),
    Kernel("w2z-deno", "console.log(6 * 7)"),
    pytest.param(Kernel("w2z-r", "cat(6 * 7)"), marks=pytest.mark.slow),
]


async def run(client: Client, code: str, until: str) -> list[Received]:
    """Run code until it has printed that; Deno's output may come after idle."""
    asked = await client.send(execute_request(code))
    found: list[Received] = []
    while until not in stdout(found):
        message = await client.recv()
        if message.parent_header.get("msg_id") == asked["msg_id"]:
            found.append(message)
    return found


async def runs_code(running: Container, code: str) -> None:
    await running.served.ready()
    async with open_client(running.served.websocket("a"), "v1") as client:
        await run(client, code, until="42")


async def stops(running: Container, capsys: pytest.CaptureFixture[str]) -> None:
    """``podman stop`` ends it in order and in time."""
    began = time.monotonic()
    podman(*(running.name if w == "kernel" else w for w in command("podman", "stop")[1:]))
    took = time.monotonic() - began
    assert running.inspect(".State.ExitCode") == 143
    assert took < DOCKER_WAITS
    await running.served.process.line("end of output")
    assert "SIGTERM: shutting down" in running.served.process.output
    # bash_kernel ends at SIGTERM only.
    assert "SIGKILL" not in running.served.process.output
    with capsys.disabled():
        sys.stdout.write(f"\npodman stop: ended after {took:.2f} s\n")


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.image)
async def test_an_image_runs_code_and_stops(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    async with container(RUN, image(kernel.image)) as running:
        await runs_code(running, kernel.code)
        await stops(running, capsys)


@pytest.mark.parametrize("name", ["w2z-deno", pytest.param("w2z-r", marks=pytest.mark.slow)])
def test_an_image_that_needs_no_python_has_none(name: str) -> None:
    look = ("sh", "-c", "command -v python3 python || echo none")
    assert podman("run", "--rm", "--entrypoint", look[0], image(name), *look[1:]) == "none"


async def test_nothing_but_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    image("w2z-python")
    documented = command("--read-only")
    assert {"--cap-drop=ALL", "--security-opt=no-new-privileges", "12345"} <= set(documented)
    async with container(documented) as running:
        await runs_code(running, "import os; print(os.getuid() - 12303)")
        await stops(running, capsys)


async def test_a_kernel_that_takes_too_much_memory_is_started_again() -> None:
    image("w2z-python")
    async with container(command("--memory")) as running:
        await running.served.ready()
        async with open_client(running.served.websocket("a"), "v1") as client:
            await client.send(execute_request("held = b'x' * 2**30"))
            seen = await client.until_state("restarting")
            assert "lack of memory" in stdout(seen) + stdout([await client.recv()])
            await running.served.ready(2)
            await run(client, "print(6 * 7)", until="42")
        assert running.inspect(".State.Running") is True


async def test_health_follows_the_kernel() -> None:
    check = command("podman", "healthcheck")
    async with container(RUN, image("w2z-python")) as running:
        own = [running.name if word == "kernel" else word for word in check[1:]]
        await running.served.ready()
        podman(*own)
        kernel = await running.served.kernel()
        podman("exec", running.name, "sh", "-c", f"kill -STOP {kernel}")
        async with open_rest(running.served.url) as rest:
            while (await rest.ask("GET /readyz")).status == 200:
                pass
        with pytest.raises(Exception, match="exit status 1"):
            podman(*own)
        podman("exec", running.name, "sh", "-c", f"kill -CONT {kernel}")
        async with open_rest(running.served.url) as rest:
            while (await rest.ask("GET /readyz")).status != 200:
                pass
        podman(*own)


@pytest.mark.parametrize("name", ["w2z-python", "w2z-pip"])
def test_without_the_secret_it_does_not_start(name: str) -> None:
    """And there is nothing in the image that could be a token."""
    with pytest.raises(Exception, match="exit status 7"):
        podman("run", "--rm", image(name))
    [found] = json.loads(podman("image", "inspect", name))
    assert [v for v in found["Config"]["Env"] if v.startswith("W2Z_")] == [
        "W2Z_TOKEN_FILE=/run/secrets/w2z_token"
    ]
    assert found["Config"]["User"] == "1000:0"
    assert found["Labels"]["org.opencontainers.image.title"] == name


async def test_only_the_secret_lets_in() -> None:
    async with container(RUN, image("w2z-python")) as running:
        await running.served.ready()
        async with open_rest(running.served.url) as rest:
            assert (await rest.ask("GET /api/kernels")).status in (401, 403)
        async with running.served.rest() as rest:
            assert len(await rest.json("GET /api/kernels")) == 1


READ = """
try:
    print(open('/run/secrets/w2z_token').read())
except OSError as error:
    print(error.strerror)
"""


async def test_the_kernel_s_code_cannot_read_the_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    image("w2z-python")
    async with container(command("W2Z_KERNEL_UID=1000:0")) as running:
        await running.served.ready()
        async with open_client(running.served.websocket("a"), "v1") as client:
            heard = stdout(await client.execute(f"import os; print(os.getuid()){READ}"))
            assert heard.split(maxsplit=1) == ["1000", "Permission denied\n"]
            look = "print(os.environ['HOME'], [v for v in os.environ if v.startswith('W2Z_')])"
            assert stdout(await client.execute(look)) == "/home/kernel []\n"
        await stops(running, capsys)
    assert "code in the kernel can read" not in running.served.process.output


async def test_where_it_can_that_is_warned_of() -> None:
    async with container(RUN, image("w2z-python")) as running:
        await running.served.process.line("code in the kernel can read the token file")


async def test_a_kernelspec_of_the_image_is_found_by_its_name() -> None:
    """With variables in the way that would lead the layer's own Python astray."""
    astray = ("--env", "PYTHONPATH=/proc", "--env", "PYTHONSTARTUP=/nowhere")
    entry = ("--entrypoint", "/opt/w2z/bin/w2z")
    options = (*astray, *entry, image("w2z-python"), "--kernel", "python3")
    async with container(RUN, *options) as running:
        await runs_code(running, "import os; assert os.environ['PYTHONPATH'] == '/proc'; print(42)")

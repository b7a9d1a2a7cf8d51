"""The Pod of containers/kubernetes through ``podman kube play``."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.containers.images import ROOT, image
from tests.containers.podman import environment, podman
from tests.support.cells import ENDLESS
from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import TOKEN, W2z, running
from tests.support.proxies import free_port
from w2z.settings import Settings

PATH = "containers/kubernetes/pod.yaml"
PLAY = ("kube", "play", PATH)
DOWN = ("kube", "play", "--down", PATH)

GRACE = 15
"""Its terminationGracePeriodSeconds."""


@pytest.fixture(scope="module", autouse=True)
def token() -> Iterator[None]:
    """The token as the secret that the Pod names, as docs/kubernetes.md makes it."""
    text = json.dumps({"token": base64.b64encode(TOKEN.encode()).decode()})
    podman("secret", "rm", "w2z-token", check=False)
    command = ["podman", "secret", "create", "w2z-token", "-"]
    subprocess.run(
        command, env=environment(), input=text.encode(), stdout=subprocess.DEVNULL, check=True
    )
    yield
    podman("secret", "rm", "w2z-token")


@asynccontextmanager
async def pod(folder: Path, *, shared: bool = False, **variables: str) -> AsyncIterator[W2z]:
    """The Pod at a free port under a name of its own; at the end nothing of it may be left.

    ``shared`` is whether its containers see each other's processes; ``variables`` are for w2z.
    """
    image("w2z-python")
    manifest: dict[str, Any] = yaml.safe_load((ROOT / PATH).read_text())
    name, port = f"w2z-test-{secrets.token_hex(4)}", free_port("127.0.0.1")
    manifest["metadata"]["name"] = name
    spec = manifest["spec"]
    [w2z] = [one for one in spec["containers"] if one["name"] == "w2z"]
    w2z["ports"][0]["hostPort"] = port
    spec["shareProcessNamespace"] = shared
    w2z["env"] += [{"name": key, "value": value} for key, value in variables.items()]
    file = folder / "pod.yaml"
    file.write_text(yaml.safe_dump(manifest))
    try:
        podman(*(str(file) if word == PATH else word for word in PLAY))
        follow = ("podman", "logs", "--follow", f"{name}-w2z")
        async with running(*follow, env=environment()) as logs:
            await logs.line("the kernel is ready")
            yield W2z(logs, f"http://127.0.0.1:{port}/")
    finally:
        podman(*(str(file) if word == PATH else word for word in DOWN))
    assert name not in podman("ps", "--all", "--format", "{{.Names}}")
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert not volumes & set(podman("volume", "ls", "--format", "{{.Name}}").split())


def test_these_are_the_documented_commands() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    for command in (PLAY, DOWN, ("secret", "create", "w2z-token", "-")):
        assert f"podman {' '.join(command)}\n" in page


async def interrupts(served: W2z) -> None:
    async with served.rest() as rest, open_client(served.websocket("a"), "v1") as client:
        kernel = await rest.kernel()
        asked = await client.send(execute_request(ENDLESS))
        assert stdout([await client.until("stream", asked)]) == "begun"
        await rest.done(f"POST /api/kernels/{kernel['id']}/interrupt")
        assert (await client.until("error", asked)).content["ename"] == "KeyboardInterrupt"


async def test_it_serves_interrupts_restarts_and_ends_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pod(tmp_path) as served:
        async with open_client(served.websocket("a"), "v1") as client:
            code = "import os; x = 6 * 7; print(x, os.getuid(), os.environ.get('W2Z_TOKEN'))"
            assert stdout(await client.execute(code)) == "42 1000 None\n"
        name = podman("ps", "--format", "{{.Names}}").split()
        [w2z] = [one for one in name if one.startswith("w2z-test-") and one.endswith("-w2z")]
        podman("healthcheck", "run", w2z)
        await interrupts(served)
        async with served.rest() as rest, open_client(served.websocket("b"), "v1") as client:
            kernel = await rest.kernel()
            await rest.json(f"POST /api/kernels/{kernel['id']}/restart")
            assert stdout(await client.execute("print('x' in globals())")) == "False\n"
        began = time.monotonic()
        podman("pod", "stop", w2z.removesuffix("-w2z"))
        took = time.monotonic() - began
        for container in ("w2z", "kernel"):
            code = podman("inspect", "--format", "{{.State.ExitCode}}", f"{w2z[:-4]}-{container}")
            assert code == {"w2z": "143", "kernel": "0"}[container]
        assert TOKEN not in served.process.output
    with capsys.disabled():
        sys.stdout.write(f"\nthe Pod ended in {took:.1f} s\n")
    assert took < GRACE - Settings.model_fields["shutdown_timeout"].default


async def test_a_kernel_that_crashed_is_started_again_and_its_clients_go_on(tmp_path: Path) -> None:
    async with pod(tmp_path) as served, open_client(served.websocket("a"), "v1") as client:
        await client.send(execute_request("import os; os.kill(os.getpid(), 9)"))
        await client.until_state("restarting")
        await client.until_state("idle")
        assert stdout(await client.execute("print(6 * 7)")) == "42\n"


async def test_a_signal_interrupts_where_processes_are_shared(tmp_path: Path) -> None:
    async with pod(tmp_path, shared=True, W2Z_INTERRUPT_MODE="signal") as served:
        await interrupts(served)


async def test_no_signal_reaches_the_kernel_where_they_are_not(tmp_path: Path) -> None:
    async with pod(tmp_path, W2Z_INTERRUPT_MODE="signal") as served, served.rest() as rest:
        kernel = await rest.kernel()
        await rest.json(f"POST /api/kernels/{kernel['id']}/interrupt", status=501)

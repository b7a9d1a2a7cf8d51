"""The services of containers/compose through podman-compose."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.containers.images import ROOT, build, image, stand_in
from tests.containers.podman import environment, podman
from tests.support.cells import ENDLESS
from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import TOKEN, running
from tests.support.proxies import certificate, free_port
from tests.support.rest import Rest, open_rest

COMPOSE = str(Path(sys.executable).with_name("podman-compose"))


@asynccontextmanager
async def composed(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """The services, up and ready; their project and the port of the proxy."""
    for name in ("w2z", "w2z-python"):
        image(name)
    stand_in("debian:bookworm-slim")
    proxy = "w2z-test-nginx"
    build("--tag", proxy, str(Path(__file__).with_name("compose")))
    for name in ("compose", "proxies"):
        shutil.copytree(ROOT / "containers" / name, folder / name)
    here = folder / "compose"
    certificate(here, "127.0.0.1")
    (here / "token").write_text(TOKEN)
    # As the documentation says: for the user in the container alone.
    (here / "token").chmod(0o400)
    os.chown(here / "token", 1000, 0)
    project, port = f"w2z-test-{secrets.token_hex(4)}", free_port("127.0.0.1")
    variables = {"PROXY_IMAGE": proxy, "PROXY_PORT": str(port)}
    options = ("--podman-run-args=--pull=never", "-p", project)

    def compose(*words: str) -> None:
        subprocess.run(
            [COMPOSE, *options, *words],
            cwd=here,
            env={**environment(), **variables, "PATH": os.environ["PATH"]},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    try:
        compose("up", "--detach")
        follow = ("podman", "logs", "--follow", f"{project}_w2z_1")
        async with running(*follow, env=environment()) as logs:
            await logs.line("the kernel is ready")
            yield project, port
    finally:
        compose("down", "--volumes", "--timeout", "10")
    assert project not in podman("ps", "--all", "--format", "{{.Names}}")
    assert project not in podman("volume", "ls", "--format", "{{.Name}}")


@asynccontextmanager
async def through(port: int, tls: ssl.SSLContext) -> AsyncIterator[Rest]:
    url = f"https://127.0.0.1:{port}/"
    async with open_rest(url, f"Authorization: token {TOKEN}", tls=tls) as rest:
        yield rest


async def answers(port: int, tls: ssl.SSLContext) -> None:
    """Wait until the proxy listens."""
    while True:
        try:
            async with through(port, tls) as rest:
                await rest.json("GET /k1/livez")
                return
        except OSError:
            pass


@pytest.mark.slow
async def test_code_runs_through_the_proxy_and_all_ends_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with composed(tmp_path) as (project, port):
        tls = ssl.create_default_context(cafile=tmp_path / "compose" / "tls.pem")
        await answers(port, tls)
        url = f"wss://127.0.0.1:{port}/k1/channels?token={TOKEN}&session_id=a"
        async with through(port, tls) as rest, open_client(url, "v1", ssl=tls) as client:
            see = "os.path.exists('/run/secrets/w2z_token')"
            code = f"import os; x = 6 * 7; print(x, os.getuid(), {see})"
            assert stdout(await client.execute(code)) == "42 1000 False\n"
            [kernel] = await rest.json("GET /k1/api/kernels")
            asked = await client.send(execute_request(ENDLESS))
            await client.until("stream", asked)
            await rest.done(f"POST /k1/api/kernels/{kernel['id']}/interrupt")
            assert (await client.until("error", asked)).content["ename"] == "KeyboardInterrupt"
            await rest.json(f"POST /k1/api/kernels/{kernel['id']}/restart")
            assert stdout(await client.execute("print('x' in globals())")) == "False\n"
        podman("healthcheck", "run", f"{project}_w2z_1")
        for name, code in (("w2z", "143"), ("kernel", "0")):
            began = time.monotonic()
            podman("stop", f"{project}_{name}_1")
            took = time.monotonic() - began
            ended = podman("inspect", "--format", "{{.State.ExitCode}}", f"{project}_{name}_1")
            assert ended == code
            with capsys.disabled():
                sys.stdout.write(f"\n{name} ended in {took:.1f} s\n")

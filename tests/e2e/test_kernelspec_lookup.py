"""Looking for an installed kernelspec: as seldom as it is needed, and without w2z's secrets."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.test_launch_interrupts import interrupt, interrupted
from tests.support.attaching import kernel_at, place
from tests.support.cells import everything, said
from tests.support.client import eager_client, execute_request, stdout
from tests.support.processes import IPYKERNEL, TOKEN, launched, running, w2z
from tests.support.watching import Started, watching

BEGIN = "import signal; print('begun', flush=True)\n"
FOREVER = f"{BEGIN}signal.pause()"

SECRETS = ("W2Z_TOKEN", "CONFIGPROXY_AUTH_TOKEN")


def tells_nothing(started: Started) -> bool:
    """Whether a process knows neither a secret's name nor its value."""
    words = [*started.command, *started.environment, *started.environment.values()]
    return not any(secret in word for word in words for secret in (*SECRETS, TOKEN))


@pytest.fixture(autouse=True)
def proxy_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """w2z has another secret."""
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", f"proxy-{TOKEN}")


# An attached kernel is interrupted.


@pytest.mark.parametrize("mode", ["signal", "message"])
async def test_no_process_is_started_where_the_operator_has_said_how(
    tmp_path: Path, mode: str
) -> None:
    path = place(tmp_path, kernel_name="python3")
    async with (
        kernel_at(path),
        w2z(path, "--interrupt-mode", mode) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        async with watching(served.pid) as watch:
            assert await interrupted(served, ann, FOREVER) == "error"
            # Nothing runs; but who interrupts may not know.
            assert (await interrupt(served)).status == 204
        assert watch.started == []


async def test_no_process_is_started_a_second_time(tmp_path: Path) -> None:
    path = place(tmp_path, kernel_name="python3")
    async with (
        kernel_at(path),
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        assert await interrupted(served, ann, FOREVER) == "error"
        async with watching(served.pid) as watch:
            assert await interrupted(served, ann, FOREVER) == "error"
            async with served.rest() as rest:
                await rest.json("GET /api/kernelspecs")
        assert watch.started == []
        assert stdout(await ann.execute("print('still there')")) == "still there\n"


@pytest.mark.parametrize("mode", ["signal", "message"])
async def test_what_the_spec_says_is_heeded_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    spec = {"argv": ["none"], "display_name": "Mine", "language": "python", "interrupt_mode": mode}
    folder = tmp_path / "kernels" / "mine"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    path = place(tmp_path, kernel_name="mine")
    async with (
        kernel_at(path),
        w2z(path) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        for _ in range(2):
            asked = await ann.send(execute_request(FOREVER, stop_on_error=False))
            await said(ann, asked, "begun")
            assert (await interrupt(served)).status == 204
            # Whoever asks ipykernel for something is told to everybody.
            seen = await everything(ann, "print('goes on')")
            asked_for = [message.parent_header.get("msg_type") for message in seen]
            assert ("interrupt_request" in asked_for) == (mode == "message")


# Whatever is started to search knows nothing, and is what it should be.


async def test_the_search_at_the_start_has_no_secret(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "w2z", "--host", "127.0.0.1", "--port", "0")
    environment = {**os.environ, "W2Z_TOKEN": TOKEN, "TMPDIR": str(tmp_path)}
    async with (
        running(*command, "--kernel", "python3", env=environment, cwd=tmp_path) as process,
        watching(process.process.pid) as watch,
    ):
        await process.line("the kernel is ready")
        assert await process.end(signal.SIGTERM) == 143
    # The kernel is one of them, too.
    assert watch.started != []
    assert all(map(tells_nothing, watch.started))


async def test_the_search_for_a_client_has_no_secret(tmp_path: Path) -> None:
    path = place(tmp_path, kernel_name="python3")
    async with kernel_at(path), w2z(path) as served, served.rest() as rest:
        await served.ready()
        async with watching(served.pid) as watch:
            await rest.json("GET /api/kernelspecs")
            assert (await interrupt(served)).status == 204
    assert all(map(tells_nothing, watch.started))


PLANTED = """
import pathlib
pathlib.Path({mark!r}).touch()
raise SystemExit
"""


async def test_a_module_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    """A cell may write there; what it writes must not run as part of w2z."""
    mark = tmp_path / "mark"
    async with (
        launched(tmp_path, *IPYKERNEL) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
        served.rest() as rest,
    ):
        await served.ready()
        for name in ("jupyter_client", "jupyter_core", "traitlets", "json"):
            file, text = tmp_path / f"{name}.py", PLANTED.format(mark=str(mark))
            await ann.execute(f"open({str(file)!r}, 'w').write({text!r})")
        found = await rest.json("GET /api/kernelspecs")
        assert found["kernelspecs"]["python3"]["spec"]["argv"]
        assert not mark.exists()

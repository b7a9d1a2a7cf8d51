"""w2z starts the kernel: with what, where it listens, what it knows, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.client import open_client, stdout
from tests.support.processes import (
    IPYKERNEL,
    TINY,
    TOKEN,
    Hurdle,
    is_there,
    launched,
    running,
)

PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def connection_file_of(pid: int) -> Path:
    """The file in the command line of a kernel."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return Path(next(word for word in words if word.endswith(".json")))


def listening_ports(pid: int) -> set[int]:
    """The TCP ports at which that process listens."""
    connections = psutil.Process(pid).net_connections("tcp")
    return {found.laddr.port for found in connections if found.status == psutil.CONN_LISTEN}


def taken(ports: list[int]) -> list[int]:
    """Those of the ports that somebody who asks for them does not get."""
    refused = []
    for port in ports:
        with socket.socket() as asking:
            try:
                asking.bind(("127.0.0.1", port))
            except OSError:
                refused.append(port)
    return refused


async def test_a_kernelspec_by_name(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
        served.rest() as rest,
    ):
        assert stdout(await client.execute("import os; print(os.getpid())")) == (
            f"{await served.kernel()}\n"
        )
        [model] = await rest.json("GET /api/kernels")
        assert model["name"] == "python3"


@pytest.mark.parametrize("python", [["-m", "w2z"], ["-m", "w2z", "serve"]], ids=["plain", "serve"])
async def test_a_command(tmp_path: Path, python: list[str]) -> None:
    async with (
        launched(tmp_path, *TINY, python=python) as served,
        open_client(served.websocket("a"), "default") as client,
    ):
        assert stdout(await client.execute("say('hello ☃')")) == "hello ☃"


async def test_the_kernel_knows_neither_token_nor_settings(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        code = "import os; print([name for name in os.environ if name.startswith('W2Z')])"
        assert stdout(await client.execute(code)) == "[]\n"
        process = Path(f"/proc/{await served.kernel()}")
        environment, line = ((process / name).read_bytes() for name in ("environ", "cmdline"))
        assert b"PATH=" in environment
        assert b"W2Z_" not in environment
        assert TOKEN.encode() not in environment + line


async def test_the_connection_file_is_private_and_does_not_outlive_w2z(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        async with (
            launched(tmp_path, *TINY) as served,
            open_client(served.websocket("a"), "v1") as client,
        ):
            await client.execute("1")
            path = connection_file_of(await served.kernel())
            assert path.parent.parent == tmp_path
            assert (mode(path), mode(path.parent)) == (0o600, 0o700)
            keys.add(json.loads(path.read_text())["key"])
        assert not path.exists()
        assert not path.parent.exists()
    assert len(keys) == 2
    assert min(len(key) for key in keys) >= 32


async def test_a_connection_file_of_ones_own_choice(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kernel-a-name.json"
    async with (
        launched(tmp_path, "--connection-file", str(path), *IPYKERNEL) as served,
        open_client(served.websocket("a", "api/kernels/a-name/channels"), "v1") as client,
    ):
        await client.execute("1")
        assert mode(path) == 0o600
        assert connection_file_of(await served.kernel()) == path
    assert not path.exists()


async def test_a_connection_file_that_another_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "shared.json"
    async with (
        launched(tmp_path, "--connection-file", str(path), *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute("1")
        theirs = json.dumps({**json.loads(path.read_text()), "key": "theirs"})
        path.write_text(theirs)
    assert path.read_text() == theirs


async def test_an_unknown_kernelspec_is_exit_code_2_and_names_those_there_are() -> None:
    async with running(sys.executable, "-m", "w2z", "--kernel", "pyhton3") as process:
        assert await process.end() == 2
        await process.line("end of output")
        *_, line, _ = process.lines
        assert line.startswith("w2z: --kernel: no kernelspec is called 'pyhton3'; installed: ")
        assert "python3" in line


async def test_a_kernel_over_unix_sockets_listens_on_no_port(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute("1")
        kernel = await served.kernel()
        info = json.loads(connection_file_of(kernel).read_text())
        sockets = sorted(Path(info["ip"]).parent.glob("kernel?-?"))
        assert [str(path) for path in sockets] == [f"{info['ip']}-{n}" for n in range(1, 6)]
        assert mode(sockets[0].parent) == 0o700
        # The one is ipykernel's own, for what its children print.
        assert len(listening_ports(kernel)) == 1


async def test_a_kernel_without_ports_of_its_own_has_none_over_unix_sockets(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--transport", "ipc", *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute("1")
        assert listening_ports(await served.kernel()) == set()


async def test_ports_are_held_before_the_kernel_runs_meanwhile_and_while_it_is_down(
    tmp_path: Path,
) -> None:
    path = tmp_path / "connection.json"
    hurdle = Hurdle(tmp_path)
    options = ("--connection-file", str(path), "--transport", "tcp", *hurdle.before(IPYKERNEL))
    async with (
        launched(tmp_path, *options) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        info = json.loads(path.read_text())
        ports = [info[name] for name in PORTS]
        # The kernel waits at the hurdle, so nobody listens.
        kernel = await served.kernel()
        assert not listening_ports(kernel)
        assert taken(ports) == ports

        hurdle.pass_one()
        await client.execute("1")
        assert listening_ports(kernel) >= set(ports)
        assert taken(ports) == ports

        await served.ready()
        os.kill(kernel, signal.SIGKILL)
        await client.until_state("restarting")
        assert not is_there(kernel)
        # The next one has others, so that nothing of the last one is at them.
        second = await served.kernel(2)
        info = json.loads(path.read_text())
        others = [info[name] for name in PORTS]
        assert not set(ports) & set(others)
        assert not listening_ports(second)
        assert taken(others) == others

        hurdle.pass_one()
        await client.execute("1")
        assert listening_ports(second) >= set(others)
    hurdle.close()

"""IPv6 beside IPv4: where w2z listens, where the kernel does, and names that mean both."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.e2e.test_launch_interrupts import interrupted
from tests.support.attaching import IPYKERNEL, behind, kernel_at, place, until_announced
from tests.support.cells import ENDLESS
from tests.support.client import eager_client, execute_request, stdout
from tests.support.processes import TOKEN, Process, W2z, running, w2z

SIGNAL = ("--interrupt-mode", "signal")

_SIX = """
import zmq
made = zmq.Context.__init__
def make(self, *given, **named):
    made(self, *given, **named)
    self.setsockopt(zmq.IPV6, 1)
zmq.Context.__init__ = make
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""
IPYKERNEL_6 = (sys.executable, "-c", _SIX, "-f")
"""ipykernel has no option for it, but ZMQ has."""


def place_6(folder: Path, ip: str = "::1") -> Path:
    """A connection file with an IPv6 address, and ports that are free there."""
    with ExitStack() as stack:
        ports = {}
        for name in ("shell", "iopub", "stdin", "control", "hb"):
            probe = stack.enter_context(socket.socket(socket.AF_INET6))
            probe.bind((ip, 0))
            ports[f"{name}_port"] = probe.getsockname()[1]
    return behind(place(folder), "six.json", **{"ip": ip, **ports})


# The kernel.


async def is_served_interrupted_and_missed(
    served: W2z, path: Path, kernel: Process, command: tuple[str, ...]
) -> None:
    """What w2z has to find the kernel for: its sockets, its process, whether it is there."""
    async with eager_client(served.websocket("ann"), "v1") as ann:
        assert await interrupted(served, ann, ENDLESS) == "error"
        assert stdout(await ann.execute("print('still there')")) == "still there\n"
        await kernel.end(signal.SIGKILL)
        await until_announced(ann, "dead")
        waiting = await ann.send(execute_request("print('back')"))
        async with kernel_at(path, command):
            assert stdout(await ann.finished(waiting)) == "back\n"


async def test_a_kernel_on_ipv6(tmp_path: Path) -> None:
    path = place_6(tmp_path)
    async with kernel_at(path, IPYKERNEL_6) as kernel, w2z(path, *SIGNAL) as served:
        await served.ready()
        await is_served_interrupted_and_missed(served, path, kernel, IPYKERNEL_6)


async def test_a_kernel_on_every_ipv6_address(tmp_path: Path) -> None:
    path = place_6(tmp_path, "::")
    async with (
        kernel_at(path, IPYKERNEL_6),
        w2z(path, *SIGNAL) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await served.ready()
        assert await interrupted(served, ann, ENDLESS) == "error"


STRANGER = """
import signal, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.create_server((host, port), family=family):
    print("listening", flush=True)
    while True:
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("the stranger was interrupted", flush=True)
"""


@pytest.mark.parametrize(
    ("mine", "its"),
    [("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")],
    ids=["it is on IPv6", "it is on IPv4", "it is on another address"],
)
async def test_a_stranger_on_the_same_port_of_another_address_is_not_signalled(
    tmp_path: Path, mine: str, its: str
) -> None:
    six = ":" in mine
    path = place_6(tmp_path) if six else place(tmp_path, ip=mine)
    port = behind(path).read_text().partition('"shell_port": ')[2].partition(",")[0]
    async with (
        running(sys.executable, "-c", STRANGER, its, port) as stranger,
        kernel_at(path, IPYKERNEL_6 if six else IPYKERNEL),
        w2z(path, *SIGNAL) as served,
        eager_client(served.websocket("ann"), "v1") as ann,
    ):
        await stranger.line("listening")
        await served.ready()
        assert await interrupted(served, ann, ENDLESS) == "error"
        assert "interrupted" not in stranger.output


# A name that means both.

HOSTS = "127.0.0.1 localhost\n::1 localhost\n"

_AS_ROOT = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
_SCRIPT = 'mount --bind "$0" /etc/hosts; exec "$@"'


@asynccontextmanager
async def w2z_with_hosts(hosts: Path, path: Path, *options: str) -> AsyncIterator[W2z]:
    """w2z where this is /etc/hosts."""
    listen = ("--host", "127.0.0.1", "--port", "0", "--connection-file", str(path))
    command = (sys.executable, "-X", "dev", "-m", "w2z", *listen, *options)
    below = ("unshare", *_AS_ROOT, "--mount", "sh", "-euc", _SCRIPT, str(hosts))
    async with running(*below, *command, env={**os.environ, "W2Z_TOKEN": TOKEN}) as process:
        yield W2z(process, (await process.line(r"http://\S+"))[0])


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
async def test_localhost_is_wherever_the_kernel_listens(tmp_path: Path, ip: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    path = place_6(tmp_path) if ip == "::1" else place(tmp_path, ip=ip)
    command = IPYKERNEL_6 if ip == "::1" else IPYKERNEL
    by_name = behind(path, "by-name.json", ip="localhost")
    async with (
        kernel_at(path, command) as kernel,
        w2z_with_hosts(hosts, by_name, *SIGNAL) as served,
    ):
        await served.ready()
        await is_served_interrupted_and_missed(served, path, kernel, command)


# w2z itself.


@pytest.mark.parametrize("host", ["::", "::1", "localhost", ""])
async def test_what_w2z_says_and_what_its_health_check_asks_is_where_it_listens(
    kernel_file: Path, host: str
) -> None:
    async with w2z(kernel_file, "--host", host) as served:
        async with eager_client(served.websocket("ann"), "v1") as ann, served.rest() as rest:
            await ann.execute("1")
            assert (await rest.ask("GET /readyz")).status == 200
        port = served.url.strip("/").rpartition(":")[2]
        async with health_check(port) as process:
            assert await process.end() == 0


@asynccontextmanager
async def health_check(port: str) -> AsyncIterator[Process]:
    """As an image has it, in the environment of the container: it is not told where to ask."""
    command = (sys.executable, "-m", "w2z", "wait", "--timeout", "5")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("W2Z_")}
    async with running(*command, env={**inherited, "W2Z_PORT": port}) as process:
        yield process

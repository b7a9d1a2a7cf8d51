"""Which process listens where a kernel's connection file says."""

from __future__ import annotations

import asyncio
import math
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_kernel import own_address
from tests.support.processes import running
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping import listening as process
from w2z.kernel.keeping.listening import find_shell_owner, shell_owner

LISTEN = """
import os, socket, sys
family, address, port, options, then = sys.argv[1:]
with socket.socket(getattr(socket, family)) as listening:
    # What is left of connections that ended does not keep a port.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == "AF_INET6":
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, "v6only" in options)
    if "shared" in options:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address if family == "AF_UNIX" else (address, int(port)))
    listening.listen()
    name = listening.getsockname()
    print("listens at", name if family == "AF_UNIX" else name[1], flush=True)
    exec(then)
"""

WAIT = "import signal; signal.pause()"


@asynccontextmanager
async def listening(
    family: str, address: str, port: object = 0, *, options: str = "", then: str = WAIT
) -> AsyncIterator[tuple[int, str]]:
    """A process that listens there; its id, and its port or path."""
    command = (sys.executable, "-c", LISTEN, family, address, str(port), options, then)
    async with running(*command) as process:
        yield process.process.pid, (await process.line("listens at (.*)"))[1]


def at(shell_port: object, **more: Any) -> ConnectionInfo:
    others = {"iopub_port": 1, "stdin_port": 2, "control_port": 3, "hb_port": 4}
    return ConnectionInfo.model_validate({"shell_port": shell_port, **others, **more})


@pytest.mark.parametrize(
    ("family", "address", "ip"),
    [
        ("AF_INET", "127.0.0.1", "127.0.0.1"),
        ("AF_INET", "127.45.67.89", "127.45.67.89"),
        ("AF_INET", "0.0.0.0", "127.0.0.1"),
        ("AF_INET", "0.0.0.0", "*"),
        ("AF_INET", "127.0.0.1", "localhost"),
        ("AF_INET6", "::1", "::1"),
        ("AF_INET6", "::", "::1"),
        ("AF_INET6", "::", "127.0.0.1"),
    ],
)
async def test_who_listens_at_a_port(family: str, address: str, ip: str) -> None:
    async with listening(family, address) as (pid, port):
        assert shell_owner(at(port, ip=ip)) == pid


async def test_who_listens_at_a_path(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    async with listening("AF_UNIX", f"{path}-5") as (pid, _):
        assert shell_owner(at(5, ip=path, transport="ipc")) == pid
        assert shell_owner(at(6, ip=path, transport="ipc")) is None


async def test_the_port_at_another_address_is_somebody_elses() -> None:
    async with listening("AF_INET", "127.45.67.89") as (_, port):
        assert shell_owner(at(port, ip="127.45.67.90")) is None


async def test_who_is_connected_does_not_listen() -> None:
    connect = f"import socket, sys; kept = socket.create_connection(sys.argv[1:]); {WAIT}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = (sys.executable, "-c", connect, "127.0.0.1", str(port))
        async with running(*command):
            connected, _ = await asyncio.to_thread(server.accept)
            assert shell_owner(at(port)) is None, "this process listens, which is no kernel"
            connected.close()


async def test_w2z_itself_is_no_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert shell_owner(at(server.getsockname()[1])) is None


async def test_nobody_listens_at_a_port_that_was_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert shell_owner(at(port)) is None


# One port number, several who listen there.


async def test_ipv4_and_ipv6_are_not_confused() -> None:
    """An address of its own: nobody else has the port there."""
    here = own_address()
    async with (
        listening("AF_INET6", "::1") as (six, port),
        listening("AF_INET", here, port) as (four, _),
    ):
        assert shell_owner(at(port, ip=here)) == four
        assert shell_owner(at(port, ip="::1")) == six
        for nobodys in (own_address(), "::2"):
            assert shell_owner(at(port, ip=nobodys)) is None


@pytest.mark.parametrize("ip", ["localhost", "127.0.0.1", "*", "0.0.0.0"])
async def test_a_name_is_looked_for_at_the_address_that_libzmq_connects_to(ip: str) -> None:
    async with AsyncExitStack() as ipv4:
        four, port = await ipv4.enter_async_context(listening("AF_INET", "127.0.0.1"))
        async with listening("AF_INET6", "::1", port):
            assert shell_owner(at(port, ip=ip)) == four
            await ipv4.aclose()
            assert shell_owner(at(port, ip=ip)) is None


@pytest.mark.parametrize("ip", ["no-such-name.invalid", "none.invalid"])
async def test_a_name_without_an_address_is_nobodys(
    ip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*told: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if ip == "none.invalid":
        monkeypatch.setattr("socket.getaddrinfo", unknown)
    assert shell_owner(at(5, ip=ip)) is None


async def test_ipv4_that_is_written_as_ipv6() -> None:
    here = own_address()
    async with listening("AF_INET6", f"::ffff:{here}") as (pid, port):
        assert shell_owner(at(port, ip=here)) == pid
        assert shell_owner(at(port, ip=own_address())) is None
        assert shell_owner(at(port, ip="::1")) is None
    async with listening("AF_INET", here) as (pid, port):
        assert shell_owner(at(port, ip=f"::ffff:{here}")) == pid


async def test_an_ipv6_socket_that_takes_no_ipv4_is_not_the_kernel_s() -> None:
    """Both can listen at the same port number of every address."""
    async with AsyncExitStack() as ipv4:
        four, port = await ipv4.enter_async_context(listening("AF_INET", "0.0.0.0"))
        async with listening("AF_INET6", "::", port, options="v6only") as (six, _):
            assert shell_owner(at(port, ip="127.0.0.1")) == four
            assert shell_owner(at(port, ip="::1")) == six
            await ipv4.aclose()
            assert shell_owner(at(port, ip="127.0.0.1")) is None


async def test_who_listens_at_the_very_address_counts_most() -> None:
    here = own_address()
    async with (
        listening("AF_INET", "0.0.0.0", options="shared") as (everywhere, port),
        listening("AF_INET", here, port, options="shared") as (only_here, _),
    ):
        assert shell_owner(at(port, ip=here)) == only_here
        assert shell_owner(at(port, ip="127.0.0.1")) == everywhere


async def test_somebody_else_is_not_taken_for_a_kernel_that_cannot_be_seen() -> None:
    here = own_address()
    async with listening("AF_INET", "0.0.0.0", options="shared") as (_, port):
        with socket.socket() as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            own.bind((here, int(port)))
            own.listen()
            assert shell_owner(at(port, ip=here)) is None


@pytest.mark.parametrize("ip", ["192.0.2.1", "2001:db8::1"])
async def test_the_same_port_number_of_this_machine_is_not_another_machines(ip: str) -> None:
    """Addresses that are nobody's: RFC 5737 and 3849."""
    async with listening("AF_INET6", "::") as (_, port):
        assert shell_owner(at(port, ip=ip)) is None


async def test_a_port_that_does_not_refuse_is_taken_for_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_answer(*told: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", no_answer)
    async with listening("AF_INET6", "::") as (pid, port):
        assert shell_owner(at(port, ip="127.0.0.1")) == pid


async def test_paths_are_anything(tmp_path: Path) -> None:
    path = str(tmp_path / "a socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path).encode() + b"/\xff")
        other.listen()
        async with listening("AF_UNIX", f"{path}-5") as (pid, _):
            assert shell_owner(at(5, ip=path, transport="ipc")) == pid


# Beside the event loop, and not for ever.


async def test_the_search_is_done_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    searching: list[threading.Thread] = []

    def search(info: ConnectionInfo, deadline: float) -> int | None:
        searching.append(threading.current_thread())
        return shell_owner(info, deadline)

    monkeypatch.setattr(process, "shell_owner", search)
    async with listening("AF_INET", "127.0.0.1") as (pid, port):
        assert await find_shell_owner(at(port)) == pid
    assert searching != [threading.current_thread()]


async def test_nobody_waits_for_a_search_that_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(process, "OWNER_TIMEOUT", 0)
    monkeypatch.setattr(process, "shell_owner", lambda info, deadline: go_on.wait())
    assert await find_shell_owner(at(5)) is None
    assert caplog.messages == ["the kernel's process was not found within 0 s"]
    go_on.set()


async def test_a_search_ends_at_its_deadline() -> None:
    async with listening("AF_INET", "127.0.0.1") as (pid, port):
        with pytest.raises(TimeoutError):
            shell_owner(at(port), deadline=-math.inf)
        assert shell_owner(at(port), deadline=math.inf) == pid

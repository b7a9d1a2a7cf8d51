"""Whether anybody listens where a connection file says: at one address, at several, at none."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.probing import is_refused
from w2z.kernel.actions import Found
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping.listening import probe

NAME = "kernel.invalid"
LONG = 60.0
SHORT = 0.01


def at(ip: str, port: int = 1, **more: Any) -> ConnectionInfo:
    others = {"iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
    return ConnectionInfo.model_validate({"shell_port": port, "ip": ip, **others, **more})


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


@contextmanager
def deaf(ip: str) -> Iterator[int]:
    """A port whose listener takes no more connections: whoever comes gets no answer."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind((ip, 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield port_of(server)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses to which the name leads; nobody knows it when there are none."""
    addresses: list[str] = []

    def look_up(host: str, port: int, **more: Any) -> list[Any]:
        assert host == NAME
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        family = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*family, (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return addresses


async def test_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        info = at("127.0.0.1", port_of(server))
        assert await probe(info, LONG) == (Found.LISTENING, info)
        assert not await is_refused(info, LONG)


async def test_nobody_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        info = at("127.0.0.1", port_of(server))
    assert await probe(info, LONG) == (Found.REFUSED, info)
    assert await is_refused(info, LONG)


async def test_no_answer_in_time_is_no_refusal() -> None:
    with deaf("127.0.0.1") as port:
        info = at("127.0.0.1", port)
        assert await probe(info, SHORT) == (Found.NO_ANSWER, info)
        assert not await is_refused(info, SHORT)


async def test_an_error_that_says_nothing_about_the_kernel_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(self: object, attempt: socket.socket, address: object) -> None:
        raise OSError(errno.ENOBUFS, "No buffer space available")

    monkeypatch.setattr("asyncio.selector_events.BaseSelectorEventLoop.sock_connect", fail)
    info = at("127.0.0.1")
    assert await probe(info, LONG) == (Found.NO_ANSWER, info)


async def test_a_path_is_listened_at_or_not(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    info = at(path, 7, transport="ipc")
    assert await probe(info, LONG) == (Found.REFUSED, info)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{path}-7")
        server.listen()
        assert await probe(info, LONG) == (Found.LISTENING, info)


async def test_a_name_that_nobody_knows_leads_to_nobody(named: list[str]) -> None:
    info = at(NAME)
    assert await probe(info, LONG) == (Found.REFUSED, info)


async def test_the_first_address_at_which_somebody_listens_counts(named: list[str]) -> None:
    named += ["127.45.67.1", "127.45.67.2", "127.45.67.3"]
    with (
        socket.create_server(("127.45.67.2", 0)) as server,
        socket.create_server(("127.45.67.3", port_of(server))),
    ):
        info = at(NAME, port_of(server))
        assert await probe(info, LONG) == (Found.LISTENING, info.at("127.45.67.2"))


async def test_a_refusal_at_one_address_is_none_while_another_does_not_answer(
    named: list[str],
) -> None:
    named += ["127.45.67.1", "127.45.67.2", "127.45.67.3"]
    with deaf("127.45.67.2") as port:
        info = at(NAME, port)
        assert await probe(info, SHORT) == (Found.NO_ANSWER, info)


async def test_a_probe_takes_no_longer_than_it_may() -> None:
    with deaf("127.0.0.1") as port:
        async with asyncio.timeout(LONG):
            await probe(at("127.0.0.1", port), SHORT)

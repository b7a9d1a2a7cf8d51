"""Where w2z listens: every address that was asked for, of both families, and on one port."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.families import HAS_IPV6, ipv6, without
from tests.support.raw_http import raw_http
from tests.support.serving import serving
from tests.support.transports import other_end
from w2z.errors import ListenError
from w2z.hosts import openable
from w2z.server import addresses
from w2z.server.addresses import listening_sockets

IPV4_END, IPV6_END = ("127.0.0.1", 0), ("::1", 0, 0, 0)


@asynccontextmanager
async def listening(host: str, port: int = 0) -> AsyncIterator[list[socket.socket]]:
    sockets = await listening_sockets(host, port)
    try:
        yield sockets
    finally:
        for one in sockets:
            one.close()


def ends(sockets: Sequence[socket.socket]) -> list[str]:
    """The addresses, which have to have one port."""
    names = [one.getsockname() for one in sockets]
    assert len({name[1] for name in names}) == 1
    return [name[0] for name in names]


def called(monkeypatch: pytest.MonkeyPatch, *found: tuple[socket.AddressFamily, Any]) -> str:
    """A name that has these addresses."""
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host != "kernel.example" or more.get("flags") == socket.AI_NUMERICHOST:
            return real(host, port, *rest, **more)
        return [(family, socket.SOCK_STREAM, 6, "", end) for family, end in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "kernel.example"


@ipv6
@pytest.mark.parametrize("host", ["::", "*", "", "0:0::0"])
async def test_every_address_is_listened_on(kernel: FakeKernel, host: str) -> None:
    async with serving(kernel.connection_file, host=host) as served:
        for address in ("127.0.0.1", "::1"):
            async with raw_http(address, served.port) as peer:
                assert (await peer.ask("GET /livez")).status == 200


@ipv6
async def test_a_port_of_one_s_choice_is_that_of_both_families(unused: int) -> None:
    async with listening("::", unused) as sockets:
        assert ends(sockets) == ["::", "0.0.0.0"]
        assert sockets[0].getsockname()[1] == unused


async def test_by_default_it_is_every_ipv4_address() -> None:
    async with listening("0.0.0.0") as sockets:
        assert ends(sockets) == ["0.0.0.0"]


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
async def test_an_address_is_that_address_alone(host: str) -> None:
    async with listening(host) as sockets:
        assert ends(sockets) == [host]


@ipv6
async def test_a_name_is_all_of_its_addresses(
    monkeypatch: pytest.MonkeyPatch, kernel: FakeKernel
) -> None:
    v4, v6 = (socket.AF_INET, IPV4_END), (socket.AF_INET6, IPV6_END)
    name = called(monkeypatch, v6, v4, v6)
    async with listening(name) as sockets:
        assert ends(sockets) == ["::1", "127.0.0.1"]
    async with serving(kernel.connection_file, host=name) as served:
        for address in ("127.0.0.1", "::1"):
            async with raw_http(address, served.port) as peer:
                assert (await peer.ask("GET /livez")).status == 200


async def test_localhost_is_listened_on(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, host="localhost") as served,
        raw_http("localhost", served.port) as peer,
    ):
        assert (await peer.ask("GET /livez")).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=ipv6)])
async def test_no_small_write_waits_for_an_acknowledgement(host: str, kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, host=host) as served,
        raw_http(host, served.port) as peer,
    ):
        await peer.ask("GET /livez")
        theirs = other_end(peer.writer).get_extra_info("socket")
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Machines that have less.


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize("host", ["*", "", "kernel.example"])
async def test_what_this_machine_does_not_have_is_left_out(
    monkeypatch: pytest.MonkeyPatch, host: str, number: int
) -> None:
    called(monkeypatch, (socket.AF_INET6, IPV6_END), (socket.AF_INET, IPV4_END))
    without(monkeypatch, socket.AF_INET6, number)
    async with listening(host) as sockets:
        assert [one.family for one in sockets] == [socket.AF_INET]


@ipv6
@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize("host", ["*", "", "::", "kernel.example"])
async def test_a_machine_without_ipv4_listens_on_the_other(
    monkeypatch: pytest.MonkeyPatch, host: str, number: int
) -> None:
    called(monkeypatch, (socket.AF_INET6, IPV6_END), (socket.AF_INET, IPV4_END))
    without(monkeypatch, socket.AF_INET, number)
    async with listening(host) as sockets:
        assert [one.family for one in sockets] == [socket.AF_INET6]
        assert openable("::") == "[::1]"


@pytest.mark.parametrize(
    ("family", "host", "reason"),
    [
        (socket.AF_INET6, "::", "this machine has no IPv6; 0.0.0.0 is every IPv4 address"),
        (socket.AF_INET6, "::1", "this machine has no IPv6; 0.0.0.0 is every IPv4 address"),
        (socket.AF_INET, "0.0.0.0", "this machine has no IPv4; :: is every IPv6 address"),
    ],
)
async def test_an_address_of_a_family_that_is_missing_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily, host: str, reason: str
) -> None:
    without(monkeypatch, family)
    with pytest.raises(ListenError) as refused:
        await listening_sockets(host, 0)
    assert str(refused.value) == f"cannot listen on {host} port 0: {reason}"


async def test_any_other_error_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, socket.AF_INET, errno.EMFILE)
    with pytest.raises(ListenError, match=r"on 127\.0\.0\.1 port 0: Too many open files"):
        await listening_sockets("127.0.0.1", 0)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match=r"on 192\.0\.2\.7 port 0: Cannot assign requested"):
        await listening_sockets("192.0.2.7", 0)


# Ports that are taken, names that are none.


async def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"on 127.0.0.1 port {port}: Address already in use"):
            await listening_sockets("127.0.0.1", port)


@ipv6
async def test_a_port_that_one_family_has_taken_is_refused_and_nothing_left(unused: int) -> None:
    with socket.create_server(("127.0.0.1", unused)):
        with pytest.raises(ListenError, match="Address already in use"):
            await listening_sockets("::", unused)
        # It is free again at the address that was bound before.
        with socket.create_server(("::1", unused), family=socket.AF_INET6):
            pass


@ipv6
async def test_a_free_port_is_looked_for_until_every_address_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        bind, tried = addresses._bound, 0

        def unlucky(address: Any, wanted: int) -> socket.socket:
            """Be given the port that is taken at the other family, twice."""
            nonlocal tried
            tried += wanted == 0
            return bind(address, port if wanted == 0 and tried <= 2 else wanted)

        monkeypatch.setattr(addresses, "_bound", unlucky)
        async with listening("*") as sockets:
            assert ends(sockets) == ["::", "0.0.0.0"]
            assert sockets[0].getsockname()[1] != port
        # More where somebody else has the port it was given by chance.
        assert tried >= 3
        monkeypatch.setattr(addresses, "_bound", lambda address, wanted: bind(address, port))
        with pytest.raises(ListenError, match="Address already in use"):
            await listening_sockets("*", 0)


@pytest.mark.parametrize("host", ["no such name", "a..b", "x" * 64 + ".example", "kernel.example"])
async def test_what_is_no_name_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    called(monkeypatch)
    with pytest.raises(ListenError) as refused:
        await listening_sockets(host, 0)
    assert str(refused.value).startswith(f"cannot listen on {host} port 0: ")
    assert "\n" not in str(refused.value)


# The URL


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "[::1]"),
        ("fe80::1%eth0", "[fe80::1%eth0]"),
        ("kernel.example", "kernel.example"),
        ("::", "127.0.0.1"),
        ("::0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("*", "127.0.0.1"),
    ],
)
def test_the_host_of_a_url_can_be_opened(host: str, shown: str) -> None:
    assert openable(host) == shown


@pytest.fixture
def unused() -> int:
    """A port that is free at every address."""
    with socket.socket(socket.AF_INET6 if HAS_IPV6 else socket.AF_INET) as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])

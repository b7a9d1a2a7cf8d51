"""An error that nobody expected, thrown at every stage of a connection's life.

Whatever it is and wherever it is raised: it ends the one connection that was being served (or only
its request); everybody else talks on; nothing is left behind; and the log names the place without
a word of the peer's.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import pytest
import zmq
from websockets.exceptions import ConnectionClosed

from tests.integration.test_http import UPGRADE
from tests.support.client import Client, open_client, request, to_v1
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import Answer, RawHttp, raw_http
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import ready, until
from w2z.server.websocket import Websocket

AUTH = f"Authorization: token {TOKEN}"
SECRET = "what only the peer may know"

Provoke = Callable[[Served], Awaitable[None]]


class Defect(Exception):
    """Nothing in w2z expects this one."""


def throw(*args: Any, **more: Any) -> NoReturn:
    raise Defect(SECRET)


def throw_zmq(*args: Any, **more: Any) -> NoReturn:
    raise zmq.ZMQError(errno.EMFILE)


async def ends(http: RawHttp) -> list[int]:
    """The statuses of all that is answered before the connection ends."""
    statuses = []
    while True:
        try:
            statuses.append((await http.answer()).status)
        except (ConnectionError, asyncio.IncompleteReadError):
            return statuses


async def says(served: Served, *pieces: bytes) -> list[int]:
    async with raw_http(served.host, served.port) as http:
        for piece in pieces:
            await http.send(piece)
        return await ends(http)


HEAD = f"GET /api/kernels HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{AUTH}\r\n".encode()
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
WEBSOCKET = "\r\n".join(
    ["GET /channels?session_id=victim HTTP/1.1", "Host: localhost", AUTH, *UPGRADE, "", ""]
).encode()


async def ask(served: Served) -> None:
    assert await says(served, HEAD + b"\r\n") in ([500], [])


async def ask_with_body(served: Served) -> None:
    head = HEAD.replace(b"GET", b"POST") + b"Content-Length: 2\r\n\r\n"
    assert await says(served, head, b"{}") in ([500], [])


async def ask_in_a_row(served: Served) -> None:
    """The upgrade is looked at in the task that answers the request before it."""
    assert (await says(served, LIVEZ + WEBSOCKET))[0] == 200


async def begin_and_stop(served: Served) -> None:
    assert await says(served, b"GET /liv") in ([500], [])


async def come(served: Served) -> None:
    await says(served, WEBSOCKET)


async def come_and_say_something(served: Served) -> None:
    async with open_client(served.url("victim"), "v1") as client:
        with pytest.raises(ConnectionClosed):
            await talk(client)


async def come_and_leave(served: Served) -> None:
    async with open_client(served.url(), "v1"):
        pass


async def come_and_wait(served: Served) -> None:
    async with open_client(served.url("victim"), "v1") as client:
        await client.closed()


async def talk(client: Client) -> None:
    await client.send(request("odd_request"))
    while True:
        await client.recv()


STAGES: dict[str, tuple[str, Callable[..., NoReturn], Provoke]] = {
    "the head of a request": ("w2z.server.http_connection.HttpConnection._begin", throw, ask),
    "a body": ("w2z.server.http_connection.HttpConnection._collect", throw, ask_with_body),
    "the end of a request": ("w2z.server.http_connection.HttpConnection._end", throw, ask),
    "a handler": ("w2z.server.rest.api.model_response", throw, ask),
    "the headers of an answer": ("w2z.server.access.policy.AccessPolicy.cors_headers", throw, ask),
    "writing an answer": ("w2z.server.http_connection.HttpConnection._respond", throw, ask),
    "telling of a slow request": (
        "w2z.server.http_connection.HttpConnection._too_slow",
        throw,
        begin_and_stop,
    ),
    "the handshake": ("w2z.server.app.accept", throw, come),
    "a handshake behind a request": ("w2z.server.app.accept", throw, ask_in_a_row),
    "joining the clients": ("w2z.delivery.hub.Hub.attach", throw, come_and_wait),
    "a session's sockets": (
        "w2z.kernel.sockets.channels.Channels._open_dealer",
        throw_zmq,
        come_and_wait,
    ),
    "a session's sockets, behind a request": (
        "w2z.kernel.sockets.channels.Channels._open_dealer",
        throw_zmq,
        ask_in_a_row,
    ),
    "frames": (
        "w2z.server.websocket.Websocket.data_received",
        throw,
        come_and_say_something,
    ),
    "decoding": ("w2z.wire.v1.V1Codec.decode", throw, come_and_say_something),
    "on the way to the kernel": (
        "w2z.bridge.bridge.Bridge.to_kernel",
        throw,
        come_and_say_something,
    ),
    "a kernel's socket": (
        "w2z.kernel.sockets.channels.Channels.send",
        throw_zmq,
        come_and_say_something,
    ),
    "a timer": ("w2z.server.websocket.Websocket._ping", throw, come_and_wait),
    "leaving the clients": (
        "w2z.kernel.sockets.channels.Channels.close_session",
        throw_zmq,
        come_and_leave,
    ),
    "the end of a connection": (
        "w2z.server.websocket.Websocket.connection_lost",
        throw,
        come_and_leave,
    ),
}


@pytest.fixture
async def quick(kernel: FakeKernel) -> AsyncIterator[Served]:
    async with serving(kernel.connection_file, ping_interval=0.2, handshake_timeout=0.2) as found:
        await ready(found.bridge.kernel)
        yield found


@pytest.mark.parametrize("stage", STAGES)
async def test_an_error_ends_one_connection_and_nothing_else(
    quick: Served,
    kernel: FakeKernel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stage: str,
) -> None:
    place, fault, provoke = STAGES[stage]
    async with open_client(quick.url("bystander"), "default") as bystander:
        with monkeypatch.context() as patch:
            _spare(patch, place, fault)
            await provoke(quick)
            await _until_only_one_is_left(quick)
        sent = await bystander.send(request("odd_request"))
        identity, message = await kernel.received.get()
        while json.loads(message.header) != sent:
            identity, message = await kernel.received.get()
        await kernel.reply(identity, message, "odd_reply", {})
        await bystander.until("odd_reply", sent)
        async with raw_http(quick.host, quick.port) as http:
            assert (await http.ask("GET /livez")).status == 200
    told = [record for record in caplog.records if "defect" in record.getMessage()]
    assert len(told) == 1
    assert not told[0].exc_info
    assert SECRET not in caplog.text


def _spare(patch: pytest.MonkeyPatch, place: str, fault: Callable[..., NoReturn]) -> None:
    """Let ``place`` fail from now on, but not for whoever is connected already."""
    known = [one for one in gc.get_objects() if isinstance(one, Websocket)]
    original = pkgutil.resolve_name(place)

    def fail(*args: Any, **more: Any) -> Any:
        if args and any(one is args[0] for one in known):
            return original(*args, **more)
        return fault(*args, **more)

    patch.setattr(place, fail)


async def _until_only_one_is_left(served: Served) -> None:
    """The victim's connection is gone; its session, which may wait for it, is not counted."""
    await until(
        lambda: served.bridge.clients.connections <= 1 and len(served.connections) <= 1,
        "one connection is left",
    )


async def test_an_error_while_output_is_written_spares_the_other_clients(
    quick: Served, kernel: FakeKernel
) -> None:
    """One write after the other: the second client must not suffer for the first."""
    async with (
        open_client(quick.url("victim"), "v1") as victim,
        open_client(quick.url("bystander"), "v1") as bystander,
    ):
        first = next(iter(quick.bridge.clients))
        websocket = first.websocket  # type: ignore[attr-defined]
        outbox = websocket._outbox
        outbox._transport = Broken(outbox._transport)
        await kernel.iopub("stream", {"name": "stdout", "text": "for all"})
        assert (await bystander.until("stream")).content["text"] == "for all"
        await victim.closed()
        await kernel.iopub("stream", {"name": "stdout", "text": "again"})
        assert (await bystander.until("stream")).content["text"] == "again"


class Broken:
    """A transport that cannot write, as uvloop's once it was aborted."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        raise Defect(SECRET)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_an_error_at_the_shutdown_holds_nobody_up(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(kernel.connection_file) as served:
        victim = open_client(served.url("a"), "v1")
        client = await victim.__aenter__()
        monkeypatch.setattr("w2z.server.websocket.Websocket.shutdown", throw)
    assert (await client.closed())[0] in (1006, 1011)
    await victim.__aexit__(None, None, None)


# The causes that were found.


@pytest.mark.parametrize("origin", ["http://\xe9", "\xff", "http://a\x01b", "http://a b"])
@pytest.mark.parametrize("line", ["GET /livez", "GET /api/kernels", "OPTIONS /x", "GET /nowhere"])
async def test_an_origin_that_no_browser_sends_is_nobodys(
    kernel: FakeKernel, origin: str, line: str
) -> None:
    async with (
        serving(kernel.connection_file, allow_origin=("*",)) as served,
        raw_http(served.host, served.port) as http,
    ):
        answer = await http.ask(line, f"Origin: {origin}", AUTH)
        assert answer.status < 500
        assert "access-control-allow-origin" not in answer.headers
        assert (await http.ask("GET /livez", "Origin: https://a.example")).headers[
            "access-control-allow-origin"
        ] == "*"
        assert served.bridge.reports.defects == 0


@pytest.mark.parametrize("before", [b"", LIVEZ])
@pytest.mark.parametrize("character", ["\x01", "\x1f", "\x7f", "\x80", "\xff"])
async def test_an_upgrade_with_odd_headers_of_others_is_taken(
    served: Served, before: bytes, character: str
) -> None:
    cookie = f"Cookie: _ga=a{character}; session=of-another-app\r\n".encode("latin-1")
    async with raw_http(served.host, served.port) as http:
        await http.send(before + WEBSOCKET.removesuffix(b"\r\n") + cookie + b"\r\n")
        statuses = [(await http.answer()).status for _ in range(2 if before else 1)]
        assert statuses[-1] == 101


@pytest.mark.parametrize("before", [b"", LIVEZ])
async def test_an_upgrade_with_control_characters_of_its_own_is_400(
    served: Served, before: bytes
) -> None:
    odd = b"Sec-WebSocket-Extensions: a\x01b\r\n\r\n"
    async with raw_http(served.host, served.port) as http:
        await http.send(before + WEBSOCKET.removesuffix(b"\r\n") + odd)
        answers: list[Answer] = [await http.answer() for _ in range(2 if before else 1)]
        assert answers[-1].status == 400
        assert answers[-1].json["message"] == (
            "the sec-websocket-extensions header has control characters in it"
        )
    assert served.bridge.reports.defects == 0


@pytest.mark.parametrize("base", ["/ünï/", "/%C3%BCn%C3%AF", "/日本/a b/", "/\x01/"])
async def test_a_base_url_of_any_letters_is_served_and_told(kernel: FakeKernel, base: str) -> None:
    async with (
        serving(kernel.connection_file, base_url=base) as served,
        raw_http(served.host, served.port) as http,
    ):
        below = served.settings.base_url
        answer = await http.ask(f"POST {below}api/kernels", AUTH, "Content-Length: 0")
        assert answer.status == 201
        shown = await http.ask(f"GET {answer.headers['location']}", AUTH)
        assert shown.json["id"] == answer.json["id"]


async def test_a_message_after_a_defect_still_says_1011(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.bridge.bridge.Bridge.to_kernel", throw)
    async with open_client(served.url("a"), "v1") as client:
        await client.websocket.send(to_v1(request("odd_request")))
        code, reason = await client.closed()
    assert (code, reason) == (1011, "internal error: see the log of w2z")

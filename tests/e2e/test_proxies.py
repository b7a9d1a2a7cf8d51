"""Two kernels behind each proxy, with the configurations of containers/proxies as they are."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import TOKEN, W2z
from tests.support.proxies import COMMANDS, Place, free_port, two_kernels
from tests.support.returning import Returning

pytestmark = pytest.mark.asyncio(loop_scope="module")
every = pytest.mark.parametrize("kind", COMMANDS)

IDLE = 2
"""Seconds after which the proxies of some tests cut what is silent."""

CUTTING = {"nginx", "haproxy"}
"""Those which do so to websockets, too."""

BIG = 20_000_000


class Pinged(ClientConnection):
    """A connection on which nothing but w2z's pings happens, each of them noted."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pings: asyncio.Queue[float] = asyncio.Queue()

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings.put_nowait(asyncio.get_running_loop().time())
        super().process_event(event)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernels(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[W2z, W2z]]:
    """For every proxy the same two."""
    async with two_kernels(tmp_path_factory.mktemp("kernels")) as both:
        yield both


@pytest.fixture
def place(kind: str, tmp_path: Path, kernels: tuple[W2z, W2z]) -> Place:
    one, two = (urlsplit(kernel.url).netloc for kernel in kernels)
    return Place(kind, tmp_path, (one, two))


@every
async def test_two_kernels_are_told_apart_by_their_paths(place: Place) -> None:
    async with place.up():
        async with place.rest(f"Authorization: token {TOKEN}") as rest:
            [one] = await rest.json("GET /k1/api/kernels")
            [two] = await rest.json("GET /k2/api/kernels")
            assert one["id"] != two["id"]
            await rest.json(f"GET /k1/api/kernels/{two['id']}", status=404)
        # Neither a longer name nor the root is a kernel's.
        for path in ("/k10/livez", "/livez"):
            async with place.rest() as rest:
                answer = await rest.ask(f"GET {path}")
                assert answer.status in (404, 503), path
                assert "json" not in answer.headers.get("content-type", ""), "it is w2z's"
        second = place.websocket(f"k2/api/kernels/{two['id']}/channels")
        async with (
            open_client(place.websocket("k1/channels"), "default", ssl=place.tls) as anna,
            open_client(second, "v1", ssl=place.tls) as ben,
        ):
            assert stdout(await anna.execute("say(type(kernel).__name__)")) == "TinyKernel"
            assert stdout(await ben.execute("print(get_ipython().kernel.implementation)")) == (
                "ipython\n"
            )


@every
async def test_a_token_passes_in_each_of_its_places_and_so_does_the_origin(place: Place) -> None:
    bare = place.websocket().partition("?")[0]
    header = {"Authorization": f"Bearer {TOKEN}"}
    protocols = [Subprotocol(f"v1.token.websocket.jupyter.org.{TOKEN}")]
    ours, foreign = place.url.rstrip("/"), "https://example.org"
    async with place.up():
        assert await status(place, bare, additional_headers=header) == 101
        assert await status(place, f"{bare}?token={TOKEN}") == 101
        assert await status(place, bare, subprotocols=protocols) == 101
        assert await status(place, bare) == 401
        assert await status(place, f"{bare}?token=wrong") == 403
        assert await status(place, bare, additional_headers=header, origin=ours) == 101
        assert await status(place, bare, additional_headers=header, origin=foreign) == 403


@every
async def test_a_token_is_not_logged_even_where_the_kernel_is_gone(place: Place) -> None:
    place.kernels = place.kernels[0], f"{place.address}:{free_port(place.address)}"
    header = {"Authorization": f"Bearer {TOKEN}"}
    protocol = f"v1.token.websocket.jupyter.org.{TOKEN}"
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: {protocol}",
    )
    async with place.up("k1") as proxy:
        options: dict[str, Any] = {"additional_headers": header}
        options["subprotocols"] = [Subprotocol(protocol)]
        assert await status(place, place.websocket(), **options) == 101
        # Byte by byte: configurable-http-proxy refuses a websocket with half a status line.
        for path, lines, answers in (
            ("k1/api/kernels", (), (200,)),
            ("k2/api/kernels", (), (502, 503)),
            ("k2/channels", upgrade, (502, 503)),
        ):
            every_line = (f"Authorization: {header['Authorization']}", *lines)
            async with place.rest(*every_line) as rest:
                assert (await rest.ask(f"GET /{path}?token={TOKEN}")).status in answers
        # In peace, so that it writes what it has still to write; place.up() looks at it.
        await proxy.end(signal.SIGTERM)


@every
async def test_twenty_megabytes_pass_each_way(place: Place) -> None:
    async with (
        place.up(),
        open_client(place.websocket(), "v1", ssl=place.tls) as client,
    ):
        assert stdout(await client.execute(f"say('x' * {BIG})")) == "x" * BIG
        assert stdout(await client.execute(f"say(str(len('{'y' * BIG}')))")) == str(BIG)


@every
async def test_pings_keep_a_silent_connection_beyond_the_timeout(place: Place) -> None:
    place.idle = IDLE
    pinged, silent = place.websocket("k1/channels"), place.websocket("k2/channels")
    options: dict[str, Any] = {"ssl": place.tls, "ping_interval": None}
    async with (
        place.up(),
        open_client(pinged, "v1", create_connection=Pinged, **options) as kept,
        open_client(silent, "v1", **options) as other,
    ):
        assert isinstance(kept.websocket, Pinged)
        await kept.execute("pass")
        await other.execute("pass")
        async with asyncio.timeout(10 * IDLE):
            first = await kept.websocket.pings.get()
            while await kept.websocket.pings.get() < first + 1.5 * IDLE:
                pass
        assert stdout(await kept.execute("say('still here')")) == "still here"
        if place.kind in CUTTING:
            # So it was the pings that kept the first.
            assert (await other.closed())[0] == 1006
        else:
            assert stdout(await other.execute("print('still here')")) == "still here\n"


@every
async def test_a_client_misses_nothing_of_a_proxy_s_restart(
    place: Place, kernels: tuple[W2z, W2z]
) -> None:
    client = Returning(place.websocket(session_id=place.kind), ssl=place.tls)
    await client.send(execute_request("for n in range(3000): say(f'{n} {500 * chr(120)};')"))
    heard: list[str] = []
    direct = kernels[0].websocket()
    async with aclosing(client.messages()) as messages, open_client(direct, "v1") as other:

        async def hear(last: str) -> None:
            async for message in messages:
                if message.msg_type == "stream":
                    heard.append(message.content["text"])
                    if heard[-1].startswith(last):
                        break

        async with place.up():
            # It goes away in the middle of what the kernel says,
            await hear("100 ")
        # which goes on meanwhile;
        await other.execute("for n in range(3000, 3100): say(f'{n} ')")
        async with place.up():
            await hear("3099 ")
            # and what the client asks afterwards is done once.
            await client.send(execute_request("say('3100 asked')"))
            await hear("3100 ")
    assert [int(text.split()[0]) for text in heard] == list(range(3101))
    assert len(client.runs) == 2


async def status(place: Place, url: str, **options: Any) -> int:
    """What a websocket handshake through the proxy is answered."""
    try:
        async with connect(url, ssl=place.tls, **options) as websocket:
            assert websocket.response is not None
            return websocket.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code

"""Two kernels behind each proxy, with the configurations of containers/proxies as they are."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from tests.support.client import execute_request, open_client, stdout
from tests.support.processes import IPYKERNEL, TOKEN
from tests.support.proxies import COMMANDS, two_kernels
from tests.support.returning import Returning

every = pytest.mark.parametrize("kind", COMMANDS)

IDLE = 2
"""Seconds after which the proxies of some tests cut what is silent."""

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


@every
async def test_two_kernels_are_told_apart_by_their_paths(kind: str, tmp_path: Path) -> None:
    async with two_kernels(kind, tmp_path, first=IPYKERNEL) as place, place.up():
        for kernel in place.kernels:
            await kernel.ready()
        async with place.rest(f"Authorization: token {TOKEN}") as rest:
            [one] = await rest.json("GET /k1/api/kernels")
            [two] = await rest.json("GET /k2/api/kernels")
            assert one["id"] != two["id"]
            await rest.json(f"GET /k1/api/kernels/{two['id']}", status=404)
        # Neither a longer name nor the root is a kernel's.
        for path in ("/k10/livez", "/livez"):
            async with place.rest() as rest:
                assert (await rest.ask(f"GET {path}")).status in (404, 503), path
        first = place.websocket("a", f"k1/api/kernels/{one['id']}/channels")
        async with (
            open_client(first, "v1", ssl=place.tls) as anna,
            open_client(place.websocket("b", "k2/channels"), "default", ssl=place.tls) as ben,
        ):
            assert stdout(await anna.execute("print(get_ipython().kernel.implementation)")) == (
                "ipython\n"
            )
            assert stdout(await ben.execute("say(type(kernel).__name__)")) == "TinyKernel"


@every
async def test_a_token_passes_in_each_of_its_places_and_so_does_the_origin(
    kind: str, tmp_path: Path
) -> None:
    async with two_kernels(kind, tmp_path, "--strict-origin") as place, place.up():
        bare = place.websocket().partition("?")[0]
        header = {"Authorization": f"Bearer {TOKEN}"}
        protocols = [Subprotocol(f"v1.token.websocket.jupyter.org.{TOKEN}")]
        ours, foreign = place.url.rstrip("/"), "https://example.org"

        async def status(url: str, **options: Any) -> int:
            try:
                async with connect(url, ssl=place.tls, **options) as websocket:
                    assert websocket.response is not None
                    return websocket.response.status_code
            except InvalidStatus as refused:
                return refused.response.status_code

        assert await status(bare, additional_headers=header) == 101
        assert await status(f"{bare}?token={TOKEN}") == 101
        assert await status(bare, subprotocols=protocols) == 101
        assert await status(bare) == 401
        assert await status(f"{bare}?token=wrong") == 403
        assert await status(bare, additional_headers=header, origin=ours) == 101
        assert await status(bare, additional_headers=header, origin=foreign) == 403


@every
async def test_twenty_megabytes_pass_each_way(kind: str, tmp_path: Path) -> None:
    async with (
        two_kernels(kind, tmp_path) as place,
        place.up(),
        open_client(place.websocket(), "v1", ssl=place.tls) as client,
    ):
        assert stdout(await client.execute(f"say('x' * {BIG})")) == "x" * BIG
        assert stdout(await client.execute(f"say(str(len('{'y' * BIG}')))")) == str(BIG)


@every
async def test_pings_keep_a_silent_connection_beyond_the_timeout(kind: str, tmp_path: Path) -> None:
    async with (
        two_kernels(kind, tmp_path, "--ping-interval", "0.5", idle=IDLE) as place,
        place.up(),
        open_client(
            place.websocket(),
            "v1",
            ssl=place.tls,
            create_connection=Pinged,
            ping_interval=None,
        ) as client,
    ):
        await client.execute("pass")
        pings = client.websocket.pings  # type: ignore[attr-defined]
        first = await pings.get()
        while await pings.get() < first + 2.5 * IDLE:
            pass
        assert stdout(await client.execute("say('still here')")) == "still here"


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_without_pings_the_timeout_cuts_it(kind: str, tmp_path: Path) -> None:
    """So it is the pings that keep it in the test above."""
    async with (
        two_kernels(kind, tmp_path, "--ping-interval", "60", idle=IDLE) as place,
        place.up(),
        open_client(place.websocket(), "v1", ssl=place.tls, ping_interval=None) as client,
    ):
        await client.execute("pass")
        assert (await client.closed())[0] == 1006


@every
async def test_a_client_misses_nothing_of_a_proxy_s_restart(kind: str, tmp_path: Path) -> None:
    async with two_kernels(kind, tmp_path) as place:
        client = Returning(place.websocket("returning"), ssl=place.tls)
        await client.send(execute_request("for n in range(3000): say(f'{n} {500 * chr(120)};')"))
        heard: list[str] = []
        direct = place.kernels[0].websocket("direct")
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

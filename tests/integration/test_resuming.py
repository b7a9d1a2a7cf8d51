"""A client that comes back: what it is told, what it may say, and who else has its session."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import Client, open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import answered, ready, rest_of, within
from tests.support.raw_websocket import PING, RawWebsocket, raw_websocket
from tests.support.serving import Served
from tests.support.waiting import until
from w2z.delivery.session import OFFSETS

WARNING = "[w2z] output may be missing here"


def told(client: Client) -> tuple[str, str]:
    """What the answer to the upgrade says of the session and of the kernel."""
    response = client.websocket.response
    assert response is not None
    return response.headers["W2Z-Session"], response.headers["W2Z-Kernel-Start"]


def kept(served: Served) -> int:
    """The batches that the session's client has not acknowledged."""
    [session] = served.bridge.clients.hub.sessions()
    return served.bridge.clients.hub.position(session.session_id) // OFFSETS - session.acked


async def test_a_client_is_told_whether_its_session_is_new(served: Served) -> None:
    async with open_client(served.url("a"), "v1") as client:
        assert told(client) == ("new", "1")
    async with open_client(served.url("a"), "v1") as client:
        assert told(client) == ("resumed", "1")
    for _ in range(2):
        async with open_client(served.url(), "v1") as client:
            assert told(client) == ("new", "1"), "one without a name cannot be resumed"


def began(client: Client) -> str:
    """Which session it is, as the answer to the upgrade says."""
    assert client.websocket.response is not None
    return client.websocket.response.headers["W2Z-Session-Start"]


async def test_a_client_is_told_which_session_it_has(served: Served) -> None:
    """One whose answer was lost finds out by it that its session is another one."""
    async with open_client(served.url("a"), "v1") as client:
        first = began(client)
    async with open_client(served.url("a"), "v1") as client:
        assert began(client) == first
    async with open_client(served.url("b"), "v1") as client:
        assert began(client) != first
    async with open_client(served.url("a"), "v1") as client:
        assert began(client) == first


async def test_who_says_what_it_has_gets_the_rest(served: Served, kernel: FakeKernel) -> None:
    async with rest_of(served) as rest, raw_websocket(served, "a") as raw:
        await ready(rest)
        await kernel.iopub("stream", {"name": "stdout", "text": "first"})
        await raw.until_data(b'"first"')
        # The ping goes with the output or follows it, and carries the position behind it.
        position = await raw.control(PING)
        await kernel.iopub("stream", {"name": "stdout", "text": "second"})
        raw.http.writer.transport.abort()
    url = served.url("a")
    async with open_client(f"{url}&received={int(position)}", "v1") as client:
        found = await client.until("stream")
        assert found.content["text"] == "second"


async def refusal(url: str) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refused:
        async with open_client(url, "v1"):
            pass
    return refused.value


async def test_who_took_a_session_over_keeps_it_while_it_is_alive(
    served: Served, kernel: FakeKernel
) -> None:
    """Two that connect again whenever they are replaced do not take turns for ever."""
    async with open_client(served.url("a"), "v1") as first:
        async with open_client(served.url("a"), "v1") as second:
            assert (await first.closed())[0] == 4409
            for _ in range(3):
                refused = (await refusal(served.url("a"))).response
                assert refused.status_code == 409
                assert refused.headers["Retry-After"] == "1"
            await answered(second, kernel)
        async with open_client(served.url("a"), "v1") as third:
            assert told(third)[0] == "resumed"
            await answered(third, kernel)


async def test_who_took_a_session_over_and_is_gone_gives_it_up(
    served: Served, kernel: FakeKernel
) -> None:
    """The network of the second one fails without a word, too."""
    async with open_client(served.url("a"), "v1"), raw_websocket(served, "a") as second:
        assert (await refusal(served.url("a"))).response.status_code == 409
        assert await second.control(PING), "it is asked for a sign of life"
        async with within(10, "the session is free for a newcomer"):
            while True:
                try:
                    async with open_client(served.url("a"), "v1") as third:
                        await answered(third, kernel)
                    break
                except InvalidStatus:
                    await asyncio.sleep(0)


async def shown(client: Client) -> str:
    """The text of the next output."""
    return str((await client.until("stream")).content["text"])


async def test_a_newcomer_is_told_what_another_that_was_still_there_has_read(
    served: Served, kernel: FakeKernel
) -> None:
    """Such as a server between w2z and a browser, which has lost the browser and not noticed."""
    async with open_client(served.url("a"), "v1") as first:
        await answered(first, kernel)
        await kernel.iopub("stream", {"name": "stdout", "text": "output"})
        assert await shown(first) == "output"
        await until(lambda: kept(served) == 0, "the output is acknowledged")
        async with open_client(served.url("a"), "v1") as second:
            await first.closed()
            assert (await shown(second)).startswith(WARNING)


async def test_nobody_is_told_so_of_one_that_had_just_spoken_or_was_gone(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as first:
        await kernel.iopub("stream", {"name": "stdout", "text": "output"})
        await until(lambda: kept(served) == 0, "the output is acknowledged")
        # Whoever asked this had seen the output, as far as one can tell.
        await first.send(request("odd_request"))
        await kernel.received.get()
        async with raw_websocket(served, "a") as second:
            await first.closed()
            await kernel.iopub("stream", {"name": "stdout", "text": "more"})
            await gone_after(second, b'"more"')
        async with open_client(served.url("a"), "v1") as third:
            await kernel.iopub("stream", {"name": "stdout", "text": "last"})
            texts = [await shown(third)]
            while texts[-1] != "last":
                texts.append(await shown(third))
            assert not any(text.startswith(WARNING) for text in texts)


async def gone_after(client: RawWebsocket, needle: bytes) -> None:
    """It acknowledges what it reads, and then its connection is cut."""
    await client.until_data(needle)
    await client.acknowledge()
    client.http.writer.transport.abort()

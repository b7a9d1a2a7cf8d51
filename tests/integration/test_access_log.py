"""Who asked for what, and how each websocket ended: in the log, and nothing secret with it."""

from __future__ import annotations

import logging

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import execute_request, open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.log import Heard, listening
from tests.support.raw_http import raw_http
from tests.support.serving import TOKEN, Served, serving

PEER = r"^127\.0\.0\.1:\d+ "


async def test_each_request_has_a_line(served: Served) -> None:
    with listening() as heard:
        async with raw_http(served.host, served.port) as http:
            await http.ask("GET /api/kernels?token=wrong-and-secret")
            await http.ask("POST /api/kernels", "Authorization: token also-wrong")
            answer = await http.ask("GET /api/kernels/the-kernel", f"Authorization: token {TOKEN}")
            await http.ask("GET /nowhere/a-long-word-that-may-be-secret")
            await http.ask("GET /livez")
            await http.send(b"what\r\n\r\n")
            await http.answer()
    lines = heard.matching(PEER)
    assert len(lines) == 5
    for line, said in zip(
        lines,
        (
            '"GET /api/kernels" 403',
            '"POST /api/kernels" 403',
            f'"GET /api/kernels/the-kernel" 200 {len(answer.body)} B',
            '"GET /nowhere/*" 404',
            '"- -" 400',
        ),
        strict=True,
    ):
        assert said in line
    assert heard.matching(PEER, "refused: wrong_token") == lines[:2]
    nothing_secret(heard, "wrong-and-secret", "also-wrong", "a-long-word", TOKEN)


async def test_probes_have_one_for_debugging(served: Served) -> None:
    with listening(logging.DEBUG) as heard:
        async with raw_http(served.host, served.port) as http:
            await http.ask("GET /readyz")
    assert heard.matching(PEER, '"GET /readyz" ')


@pytest.mark.parametrize("code", [1000, 1001, 4000])
async def test_a_websocket_has_a_line_when_it_opens_and_when_it_ends(
    served: Served, code: int
) -> None:
    with listening() as heard:
        async with open_client(served.url("a-secret-session"), "v1") as client:
            await client.send(execute_request("secret_content"))
            await heard.line(PEER, '"GET /channels" 101')
            await client.websocket.close(code)
        await heard.line(PEER, f"websocket of session [0-9a-f]{{12}} closed with {code},")
    nothing_secret(heard, "a-secret-session", "secret_content", TOKEN)


async def test_a_websocket_that_is_cut_ends_with_1006(served: Served) -> None:
    with listening() as heard:
        async with open_client(served.url(), "v1") as client:
            client.websocket.transport.abort()
        await heard.line("closed with 1006,")


async def test_a_fault_is_told_by_its_code_and_not_by_what_was_sent(served: Served) -> None:
    with listening() as heard:
        async with open_client(served.url(), "v1") as client:
            await client.websocket.send("a-secret-text")
            assert (await client.closed())[0] == 1003
        await heard.line("closed with 1003,")
    nothing_secret(heard, "a-secret-text")


async def test_what_is_refused_is_counted_by_its_reason(served: Served) -> None:
    for url in (served.url().replace(TOKEN, "wrong"), served.url().partition("?")[0]):
        with pytest.raises(InvalidStatus):
            async with open_client(url, "v1"):
                pass
    assert served.bridge.counts.refusals == {"wrong_token": 1, "no_token": 1}


async def test_a_page_of_another_origin_is_told_apart(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, strict_origin=True) as served:
        with listening() as heard:
            async with raw_http(served.host, served.port) as http:
                await http.ask("GET /api/kernels", "Origin: http://evil.example")
        nothing_secret(heard, "evil")
        assert served.bridge.counts.refusals == {"origin": 1}


async def test_connections_over_the_limit_are_counted(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, max_connections=1) as served,
        raw_http(served.host, served.port) as first,
        raw_http(served.host, served.port) as second,
    ):
        # Those that show a right token have so many places.
        assert (await first.ask("GET /api/kernels", f"Authorization: token {TOKEN}")).status == 200
        assert (await second.ask("GET /api/kernels", f"Authorization: token {TOKEN}")).status == 503
        assert served.bridge.counts.refusals == {"no_room": 1}


def nothing_secret(heard: Heard, *secrets: str) -> None:
    for secret in secrets:
        assert not heard.matching(secret)

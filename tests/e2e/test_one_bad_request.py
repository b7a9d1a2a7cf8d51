"""What one peer sends, with or without a token, is that peer's affair: w2z goes on, and so do all
the others.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.support.client import eager_client, stdout
from tests.support.processes import TINY, TOKEN, W2z, launched, running
from tests.support.raw_http import Answer, raw_http

TOKEN_LINE = f"Authorization: token {TOKEN}".encode()
UPGRADE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    b"Sec-WebSocket-Version: 13",
)


def head(line: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: here", *lines, b"", b""])


def with_body(line: bytes, body: bytes) -> bytes:
    return head(line, TOKEN_LINE, b"Content-Length: %d" % len(body)) + body


LIVEZ = head(b"GET /livez")
ODD_ORIGIN = b"Origin: http://\xe9"
ODD_PROTOCOL = b"Sec-WebSocket-Protocol: \xe9"
CONTROL = b"Cookie: a=b\x01"

REQUESTS = {
    "an origin that is not ASCII": head(b"GET /livez", ODD_ORIGIN),
    "one that is no UTF-8 either": head(b"GET /livez", b"Origin: \xff\xfe"),
    "one without a token": head(b"GET /api/kernels", ODD_ORIGIN),
    "one with a token": head(b"GET /api/kernels", TOKEN_LINE, ODD_ORIGIN),
    "one for a path that is not there": head(b"GET /nothing", ODD_ORIGIN),
    "one in a preflight": head(
        b"OPTIONS /api/kernels",
        ODD_ORIGIN,
        b"Access-Control-Request-Method: GET",
        b"Access-Control-Request-Headers: x-\xe9",
    ),
    "one behind another request": LIVEZ + head(b"GET /livez", ODD_ORIGIN),
    "one in an upgrade without a token": head(b"GET /channels", ODD_ORIGIN, *UPGRADE),
    "a control character in an upgrade": head(b"GET /channels", TOKEN_LINE, CONTROL, *UPGRADE),
    "one in an upgrade behind another request": LIVEZ
    + head(b"GET /channels", TOKEN_LINE, CONTROL, *UPGRADE),
}

OTHERS = (
    head(b"GET /channels", TOKEN_LINE, ODD_ORIGIN, *UPGRADE),
    LIVEZ + head(b"GET /channels", CONTROL, *UPGRADE),
    head(b"GET /channels", TOKEN_LINE, ODD_PROTOCOL, *UPGRADE),
    LIVEZ + head(b"GET /channels", TOKEN_LINE, ODD_PROTOCOL, *UPGRADE),
    b"GET /api/kernels HTTP/1.1\r\nHost: \xe9\r\n\r\n",
    head(b"GET /\xe9", TOKEN_LINE),
    head(b"GET /channels?session_id=%FF%FE", TOKEN_LINE, *UPGRADE),
    # Half of a character that takes two in JSON.
    with_body(b"POST /api/sessions", rb'{"path": "\ud800", "name": "\ud800", "type": "notebook"}'),
    with_body(b"POST /api/kernels", rb'{"name": "\ud800", "path": "\udfff"}'),
    with_body(b"POST /api/kernels", b'{"name": "\xff"}'),
    with_body(b"POST /api/kernels", b"[" * 100_000),
    with_body(b"POST /api/kernels", b'{"name": ' + b"9" * 10_000 + b"}"),
)


@asynccontextmanager
async def bystander(served: W2z) -> AsyncIterator[None]:
    """One who is connected all the time, and whose kernel goes on."""
    async with eager_client(served.websocket("ann"), "v1") as ann:
        assert stdout(await ann.execute("x = 1; say('before')")) == "before"
        yield
        assert stdout(await ann.execute("say(f'after {x}')")) == "after 1"
        async with served.rest() as rest:
            assert (await rest.ask("GET /livez")).status == 200
            assert len(await rest.json("GET /api/sessions")) >= 1


async def say(served: W2z, request: bytes) -> bytes:
    """Send that and no more; all that comes back."""
    there = urlsplit(served.url)
    async with raw_http(str(there.hostname), there.port or 0) as http:
        await http.send(request)
        http.writer.write_eof()
        return await http.reader.read()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_bystander_is_not_disturbed(tmp_path: Path, request_: bytes) -> None:
    async with (
        launched(tmp_path, "--allow-origin", "*", *TINY) as served,
        bystander(served),
    ):
        await say(served, request_)


async def test_a_bystander_is_not_disturbed_by_other_nonsense(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--allow-origin", "*", *TINY) as served,
        bystander(served),
    ):
        for request in OTHERS:
            await say(served, request)


@pytest.mark.parametrize("allowed", ["*", "https://page.example"])
async def test_an_origin_that_is_not_ascii_is_answered(tmp_path: Path, allowed: str) -> None:
    async with (
        launched(tmp_path, "--allow-origin", allowed, *TINY) as served,
        served.rest() as rest,
    ):
        for _ in range(2):
            answer = await rest.ask("GET /livez", None, "Origin: http://\xe9")
            assert answer.status in (200, 400)


# The operator's own words come back in answers, too.


@pytest.mark.parametrize("base", ["/ünï/", "/日本/", "/100%25/"])
async def test_a_base_url_with_other_characters(tmp_path: Path, base: str) -> None:
    async with launched(tmp_path, "--base-url", base, *TINY) as served:
        there = urlsplit(served.url)
        path = quote(there.path, safe="/%")
        url = served.url.replace(there.path, path)
        async with (
            served.rest() as rest,
            eager_client(f"{url.replace('http', 'ws')}channels?token={TOKEN}", "v1") as ann,
        ):
            assert stdout(await ann.execute("say('here')")) == "here"
            made: Answer = await rest.ask(f"POST {path}api/kernels", {"name": "python3"})
            assert made.status == 201
            location = made.headers["location"]
            assert location.isascii()
            assert await rest.json(f"GET {location}") == json.loads(made.body)
        environment = {**os.environ, "W2Z_PORT": str(there.port), "W2Z_BASE_URL": base}
        command = (sys.executable, "-m", "w2z", "wait", "--timeout", "5")
        async with running(*command, env=environment) as process:
            assert await process.end() == 0, process.output

"""w2z's route in a configurable-http-proxy, against an API that answers as it is told."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_chp import FakeApi, answer, listening
from tests.support.proxies import certificate
from tests.support.waiting import until
from w2z.serve import proxy_route as chp
from w2z.serve.proxy_route import ProxyRoute, keep_route

TOKEN = "a-token-for-the-routes"
OURS = "http://127.0.0.1:8888"
LONG = 60.0
SOON = 0.05


@asynccontextmanager
async def kept(
    api: FakeApi,
    base_url: str = "/k1/",
    advertise: str | None = None,
    token: str | None = TOKEN,
    last: float = LONG,
) -> AsyncIterator[asyncio.Task[None]]:
    """The route is kept meanwhile, and taken away at the end."""
    async with asyncio.TaskGroup() as tasks:
        keeping: asyncio.Task[None] = tasks.create_task(
            keep_route(api.url, token, ProxyRoute(base_url, advertise, 8888), last)
        )
        yield keeping
        keeping.cancel()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(chp, "ROUTE_CHECK_INTERVAL", 0)
    monkeypatch.setattr(chp, "ROUTE_RETRY_INTERVAL", 0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """w2z's, without asyncio's remarks."""
    return [r.getMessage() for r in caplog.records if (r.name, r.levelname) == ("w2z", "WARNING")]


async def test_a_route_is_added_and_removed() -> None:
    async with listening(FakeApi()) as api:
        async with kept(api):
            asked = await api.until("POST")
            assert asked.path == "/api/routes/k1"
            assert asked.body == {"target": OURS}
            assert f"\r\nauthorization: token {TOKEN}\r\n" in asked.head.lower()
            assert api.routes == {"/k1": OURS}
        assert api.methods == ["GET", "POST", "GET", "DELETE"]
        assert api.routes == {}


async def test_without_a_token_none_is_sent() -> None:
    async with listening(FakeApi()) as api, kept(api, token=None):
        assert "authorization" not in (await api.until("GET")).head.lower()


@pytest.mark.usefixtures("eager")
async def test_a_route_that_is_there_is_left_alone() -> None:
    async with listening(FakeApi({"/k1": OURS})) as api, kept(api):
        await api.until("GET", 3)
        assert "POST" not in api.methods


@pytest.mark.usefixtures("eager")
async def test_a_route_that_is_gone_or_leads_elsewhere_is_added_again() -> None:
    async with listening(FakeApi({"/k1": "http://elsewhere"})) as api, kept(api):
        await api.until("POST", 1)
        api.routes.clear()
        await api.until("POST", 2)
        assert api.routes == {"/k1": OURS}


async def test_at_the_end_a_route_that_is_somebody_else_s_stays() -> None:
    async with listening(FakeApi()) as api:
        async with kept(api):
            await api.until("POST")
            api.routes["/k1"] = "http://elsewhere"
        assert api.routes == {"/k1": "http://elsewhere"}
        assert "DELETE" not in api.methods


@pytest.mark.parametrize(
    ("base_url", "path"),
    [("/", "/"), ("/a/b/", "/a/b"), ("/a b/", "/a%20b"), ("/a%20b/", "/a%20b")],
)
async def test_the_path_is_the_base_url(base_url: str, path: str) -> None:
    async with listening(FakeApi({"/other": OURS})) as api, kept(api, base_url):
        assert (await api.until("POST")).path == f"/api/routes{path}"


async def test_what_is_advertised_is_the_target() -> None:
    async with listening(FakeApi()) as api, kept(api, advertise="http://w2z.example:80"):
        assert (await api.until("POST")).body == {"target": "http://w2z.example:80"}


BAD = {
    "forbidden": (answer(403), "GET was answered 403: is CONFIGPROXY_AUTH_TOKEN the proxy's?"),
    "broken": (answer(500), "GET was answered 500"),
    "elsewhere": (answer(302), "GET was answered 302"),
    "silent": (b"", "GET failed: "),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "GET failed: "),
    "no JSON": (answer(200, b"<html>"), "GET failed: "),
    "half": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "GET failed: "),
    "long": (answer(200, b" " * 2000), "the answer is longer than 1000 bytes"),
}


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("said", "reason"), BAD.values(), ids=BAD)
async def test_what_fails_is_told_once_and_tried_again(
    said: bytes, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chp, "MAX_ANSWER", 1000)
    async with listening(FakeApi()) as api:
        for burst in (1, 2):
            api.instead = lambda asked: said
            async with kept(api):
                await api.until("GET", len([m for m in api.methods if m == "GET"]) + 3)
                api.instead = lambda asked: None
                await api.until("POST", burst)
    first, second = warnings(caplog)
    assert first == second
    assert first.startswith(f"no route in the proxy at {api.url}: {reason}")


@pytest.mark.usefixtures("eager")
async def test_a_second_burst_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(FakeApi()) as api, kept(api):
        for burst in (1, 2):
            api.instead = lambda asked: answer(500)
            await until(lambda: len(warnings(caplog)) == burst, "it is told again")  # noqa: B023
            api.instead = lambda asked: None
            await api.until("POST", burst)
            api.routes.clear()


async def test_no_answer_and_nobody_there_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chp, "TIMEOUT", SOON)

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    api = FakeApi()
    api.serve = never  # type: ignore[method-assign]
    async with listening(api), kept(api, last=SOON):
        await until(lambda: "no answer in time" in caplog.text, "the silence is told")
    async with kept(api):
        await until(lambda: "Connect call failed" in caplog.text, "the refusal is told")


async def test_the_end_does_not_wait_for_an_api_that_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    silent = asyncio.Event()
    api = FakeApi()
    answering = api.serve

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if silent.is_set():
            await reader.read()
            writer.close()
        else:
            await answering(reader, writer)

    api.serve = serve  # type: ignore[method-assign]
    async with listening(api):
        async with kept(api, last=SOON):
            await until(lambda: "added the proxy's route" in caplog.text, "the route is there")
            silent.set()
        assert warnings(caplog) == [
            f"the route may stay in the proxy at {api.url}: no answer in time"
        ]


async def test_the_first_address_that_takes_a_connection_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        async with listening(FakeApi()) as api:
            ends = [bound_only.getsockname(), ("127.0.0.1", int(api.url.rpartition(":")[2]))]
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", end) for end in ends]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **more: found)
            async with kept(api):
                await api.until("POST")


async def test_the_end_does_not_wait_for_a_name_server_that_is_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def look_up(*asked_for: object, **more: object) -> Any:
        asked.set()
        answer.wait(LONG)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with kept(FakeApi(), last=SOON):
        await asyncio.to_thread(asked.wait, LONG)
    assert "no answer in time" in caplog.text
    answer.set()


@pytest.mark.parametrize("token", ["a b", "a\r\nb", "schlüssel"])
async def test_a_token_that_cannot_be_sent_is_not_shown(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(FakeApi()) as api, kept(api, token=token):
        told = "CONFIGPROXY_AUTH_TOKEN has to be visible ASCII"
        await until(lambda: told in caplog.text, "the token is refused")
        assert token not in caplog.text
        assert api.asked == []


@pytest.mark.e2e  # openssl makes the certificate
async def test_the_api_may_be_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate(tmp_path, "127.0.0.1")
    file = tmp_path / "tls.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    import ssl

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(file)
    async with listening(FakeApi(), ssl=tls) as api:
        async with kept(api):
            await api.until("POST")
            assert api.routes == {"/k1": OURS}
        assert api.routes == {}


def test_who_has_no_such_proxy_does_not_load_it() -> None:
    code = "import sys, w2z.serve.serve; sys.exit('w2z.serve.proxy_route' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

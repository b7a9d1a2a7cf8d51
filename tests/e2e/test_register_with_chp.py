"""w2z tells a real configurable-http-proxy its own route."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.chp import Chp
from tests.support.client import open_client, stdout
from tests.support.processes import IPYKERNEL, TINY, launched
from tests.support.proxies import CHP_TOKEN

EAGER = (
    "-c",
    """
from w2z.serve import proxy_route
proxy_route.ROUTE_CHECK_INTERVAL = proxy_route.ROUTE_RETRY_INTERVAL = 0.1
from w2z.__main__ import main
main()
""",
)
"""Arguments of Python: w2z that looks for its route all the time."""

TERMINATED = 128 + signal.SIGTERM


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of the routes in the environment of w2z."""
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", CHP_TOKEN)


def target(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"


@pytest.mark.parametrize("base_url", ["/user/anna/", "/user/anna%20b/", "/"])
async def test_its_route_is_there_from_beginning_to_end(base_url: str, tmp_path: Path) -> None:
    chp = Chp(tmp_path / "chp")
    options = ("--base-url", base_url, "--register-with-chp", chp.api, *IPYKERNEL)
    async with chp.up() as proxy:
        async with launched(folder(tmp_path, "w2z"), *options) as w2z:
            await w2z.process.line("added the proxy's route")
            path = base_url.rstrip("/").replace("%20", " ") or "/"
            assert await chp.targets() == {path: target(w2z.url)}
            async with open_client(chp.websocket(base_url, "a"), "v1", ssl=chp.tls) as client:
                code = "import os; print(os.environ.get('CONFIGPROXY_AUTH_TOKEN'))"
                assert stdout(await client.execute(code)) == "None\n"
        assert w2z.process.output.count("removed the proxy's route") == 1
        assert await chp.targets() == {}
        assert CHP_TOKEN not in w2z.process.output + proxy.output


async def test_a_proxy_that_was_killed_gets_the_route_again(tmp_path: Path) -> None:
    chp = Chp(tmp_path / "chp")
    options = ("--base-url", "/k1/", "--register-with-chp", chp.api, *IPYKERNEL)
    async with launched(folder(tmp_path, "w2z"), *options, python=EAGER) as w2z:
        ours = {"/k1": target(w2z.url)}
        async with chp.up():
            await w2z.process.line("added the proxy's route", 1)
            assert await chp.targets() == ours
            await w2z.ready()
            url = chp.websocket("/k1/", "a")
            async with open_client(url, "v1", ssl=chp.tls) as client:
                assert stdout(await client.execute("x = 6; print(x)")) == "6\n"
        await w2z.process.line("no route in the proxy at")
        async with chp.up():
            await w2z.process.line("added the proxy's route", 2)
            assert await chp.targets() == ours
            async with open_client(url, "v1", ssl=chp.tls) as client:
                assert stdout(await client.execute("print(x * 7)")) == "42\n"
        assert w2z.process.output.count("no route in the proxy at") <= 2


async def test_without_a_proxy_it_serves_and_ends_in_time(tmp_path: Path) -> None:
    chp = Chp(tmp_path / "chp")
    options = ("--register-with-chp", chp.api, *IPYKERNEL)
    async with launched(folder(tmp_path, "w2z"), *options, ends=TERMINATED) as w2z:
        await w2z.process.line(f"no route in the proxy at {chp.api}: .*Connect")
        async with open_client(w2z.websocket(), "v1") as client:
            assert stdout(await client.execute("print(6 * 7)")) == "42\n"
        began = asyncio.get_running_loop().time()
        await w2z.process.end(signal.SIGTERM)
        assert asyncio.get_running_loop().time() - began < 5


async def test_with_a_wrong_token_it_serves_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "a-wrong-token")
    chp = Chp(tmp_path / "chp")
    options = ("--register-with-chp", chp.api, *IPYKERNEL)
    async with chp.up(), launched(folder(tmp_path, "w2z"), *options, python=EAGER) as w2z:
        await w2z.process.line("GET was answered 403: is CONFIGPROXY_AUTH_TOKEN the proxy's")
        async with open_client(w2z.websocket(), "v1") as client:
            assert stdout(await client.execute("print(6 * 7)")) == "42\n"
        assert await chp.targets() == {}
        assert w2z.process.output.count("no route in the proxy") == 1
        assert "a-wrong-token" not in w2z.process.output


async def test_a_successor_keeps_the_route_it_took(tmp_path: Path) -> None:
    chp = Chp(tmp_path / "chp")
    options = ("--base-url", "/k1/", "--register-with-chp", chp.api)
    async with chp.up():
        advertised = "http://w2z.example:8000"
        named = (*options, "--advertise", advertised, *TINY)
        async with launched(folder(tmp_path, "one"), *named, ends=TERMINATED) as one:
            await one.process.line("added the proxy's route")
            assert await chp.targets() == {"/k1": advertised}
            async with launched(folder(tmp_path, "two"), *options, *TINY) as two:
                taken = rf"added the proxy's route /k1 .*it led to {advertised}"
                await two.process.line(taken)
                await one.process.end(signal.SIGTERM)
                assert await chp.targets() == {"/k1": target(two.url)}

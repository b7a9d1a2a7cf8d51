"""The ways to a w2z: through an HTTP proxy, with TLS, with both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.remote import connected, execute_request, remote, running
from tests.support.serving import Served
from tests.support.tunnels import HttpProxy, certificate, http_proxy, tls_end
from w2z.client.dial import proxy_of
from w2z.client.remote import Remote
from w2z.client.rest import Rest
from w2z.errors import NotW2z, RemoteSettingsError, Unreachable


async def works(where: Remote, kernel: FakeKernel) -> None:
    """A request is answered over the websocket, and one over HTTP."""
    async with running(kernel), connected(where) as (connection, notes):
        asked = execute_request("x")
        connection.send(asked)
        assert (await notes.reply(asked))["status"] == "ok"
    assert (await Rest(where).model())["id"] == "the-kernel"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def url_of(served: Served) -> str:
    return f"http://{served.host}:{served.port}/"


async def test_through_the_proxy_of_the_environment(served, kernel, monkeypatch):
    async with http_proxy(HttpProxy()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        await works(remote(url_of(served)), kernel)
        assert len(proxy.asked) == 2
        assert all(one.startswith(f"CONNECT {served.host}:{served.port} ") for one in proxy.asked)
        monkeypatch.setenv("no_proxy", served.host)
        await works(remote(url_of(served)), kernel)
        assert len(proxy.asked) == 2
        monkeypatch.delenv("no_proxy")
        await works(remote(url_of(served), proxy=""), kernel)
        assert len(proxy.asked) == 2, "none was asked for"


async def test_a_proxy_may_want_a_password(served, kernel):
    async with http_proxy(HttpProxy()) as proxy:
        secret = proxy.url.replace("//", "//me:pass@")
        await works(remote(url_of(served), proxy=secret), kernel)
        assert all("Proxy-Authorization: Basic bWU6cGFzcw==" in one for one in proxy.asked)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Who are you?\r\n\r\n", "407 Who are you"),
        (b"x" * 70000, "too long an answer"),
        (b"", "closed the connection"),
    ],
    ids=["refuses", "babbles", "hangs up"],
)
async def test_a_proxy_that_does_not_tunnel(served, answer, words):
    async with http_proxy(HttpProxy(answer)) as proxy:
        where = remote(url_of(served), proxy=proxy.url)
        async with connected(where, patience=0.1) as (_, notes):
            failure = await notes.over()
    assert isinstance(failure, Unreachable)
    assert words in str(failure)


@pytest.mark.parametrize("proxy", ["socks5://h:1080", "http://", "h:80", "http://me@h:80"])
def test_a_proxy_that_cannot_be_used(proxy):
    with pytest.raises(RemoteSettingsError, match=r"the proxy for http://w2z\.example/"):
        proxy_of(remote("http://w2z.example/", proxy=proxy))


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls") / "own.pem")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls") / "theirs.pem")


async def test_with_tls(served, kernel, own):
    async with tls_end(served.host, served.port, own) as url:
        await works(remote(url, ca_file=own), kernel)


async def test_with_tls_through_a_proxy(served, kernel, own):
    async with tls_end(served.host, served.port, own) as url, http_proxy(HttpProxy()) as proxy:
        await works(remote(url, ca_file=own, proxy=proxy.url), kernel)
        assert len(proxy.asked) == 2


async def test_with_a_client_certificate(served, kernel, own, theirs):
    async with tls_end(served.host, served.port, own, asks_for=theirs) as url:
        await works(remote(url, ca_file=own, client_cert=theirs), kernel)


async def test_a_certificate_that_nobody_trusts(served, own):
    async with tls_end(served.host, served.port, own) as url:
        async with connected(remote(url)) as (_, notes):
            failure = await notes.over()
        assert isinstance(failure, NotW2z)
        assert "is not trusted" in str(failure)
        with pytest.raises(NotW2z, match="is not trusted"):
            await Rest(remote(url)).model()

"""A URL as w2z prints it is enough; the token goes where it is meant to, and is never shown."""

from __future__ import annotations

import re
from typing import Any

import pytest

from w2z.client.remote import Remote, TokenWay
from w2z.errors import RemoteSettingsError, RemoteTokenError
from w2z.wire.subprotocol import choose

SECRET = "a-secret-token"


def at(url: str, **more: Any) -> Remote:
    more.setdefault("environment", {})
    return Remote.at(url, **more)


@pytest.mark.parametrize(
    ("url", "shown", "target"),
    [
        ("http://host:8888/", "http://host:8888/", "/channels"),
        ("http://host:8888", "http://host:8888/", "/channels"),
        ("ws://host:8888/base/", "http://host:8888/base/", "/base/channels"),
        ("https://host/a/b", "https://host/a/b/", "/a/b/channels"),
        ("wss://host:443/", "https://host/", "/channels"),
        ("http://host:80/channels", "http://host/", "/channels"),
        ("http://[::1]:8888/", "http://[::1]:8888/", "/channels"),
        ("http://h/x/api/kernels/k%201/channels", "http://h/x/", "/x/api/kernels/k%201/channels"),
        ("http://h/api/kernels/k/", "http://h/", "/api/kernels/k/channels"),
        ("http://h/a b/", "http://h/a%20b/", "/a%20b/channels"),
    ],
)
def test_the_websocket_is_found(url, shown, target):
    remote = at(url)
    assert remote.url == shown
    assert remote.websocket_target("s") == f"{target}?session_id=s"
    assert remote.websocket_target("a/b", 7) == f"{target}?session_id=a%2Fb&received=7"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8888",
        "ftp://host/",
        "http://",
        "http://:80/",
        "http://h:0/",
        "http://h:99999/",
        "http://[::1",
        "/channels",
    ],
)
def test_what_is_no_url_is_named(url):
    with pytest.raises(RemoteSettingsError, match=r"is no URL of a w2z: give http://HOST:PORT"):
        at(url)


@pytest.mark.parametrize("url", ["http://me:pass@host/", f"ftp://me:{SECRET}@h/?token={SECRET}"])
def test_secrets_of_a_bad_url_are_not_shown(url):
    with pytest.raises(RemoteSettingsError) as raised:
        at(url)
    assert "pass" not in re.sub("password", "", str(raised.value))
    assert SECRET not in str(raised.value)


def test_the_token_of_a_url_is_taken_out():
    remote = at(f"http://h/?token={SECRET}")
    assert remote.read_token() == SECRET
    assert SECRET not in remote.url + remote.websocket_target("s") + repr(remote)


def test_where_the_token_comes_from(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file\nmore\n")
    variables = {"W2Z_TOKEN": " from-variable ", "W2Z_TOKEN_FILE": str(file)}
    url = "http://h/?token=from-url"
    assert at(url, token="given", environment=variables).read_token() == "given"
    assert at(url, token_file=file, environment=variables).read_token() == "from-file"
    assert at(url, environment=variables).read_token() == "from-url"
    assert at("http://h/", environment=variables).read_token() == "from-variable"
    del variables["W2Z_TOKEN"]
    assert at("http://h/", environment=variables).read_token() == "from-file"
    assert at("http://h/").read_token() is None


def test_the_file_is_read_each_time(tmp_path):
    file = tmp_path / "token"
    file.write_text("one")
    remote = at("http://h/", token_file=file)
    assert remote.read_token() == "one"
    file.write_text("two")
    assert remote.read_token() == "two"


@pytest.mark.parametrize("text", [b"", b"two words", b"\xff\xfe", b"a" * 70000])
def test_a_file_without_a_token_is_named(tmp_path, text):
    file = tmp_path / "token"
    file.write_bytes(text)
    with pytest.raises(RemoteTokenError, match=f"token file {file}"):
        at("http://h/", token_file=file).read_token()
    with pytest.raises(RemoteTokenError, match="No such file"):
        at("http://h/", token_file=tmp_path / "none").read_token()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"token": "a", "token_file": "b"}, "give one of them"),
        ({"token": "two words"}, "visible ASCII"),
        ({"client_key": "k"}, "needs its certificate"),
        ({"token_way": "carrier pigeon"}, "use authorization, x-w2z-token, subprotocol"),
        ({"headers": {"a b": "c"}}, "no header"),
        ({"headers": {"a": "c\r\nd"}}, "no header"),
    ],
)
def test_settings_that_cannot_be_used_are_named(more, why):
    with pytest.raises(RemoteSettingsError, match=why):
        at("http://h/", **more)


def test_the_ways_of_the_token():
    ways = {
        way: at("http://h/", token="t", token_way=way, headers={"X-Mine": "1"}) for way in TokenWay
    }
    by_header = {"X-Mine": "1", "Authorization": "Bearer t"}
    by_own = {"X-Mine": "1", "X-W2Z-Token": "t"}
    told = {
        way: (one.websocket_headers("t"), one.rest_headers("t"), one.subprotocols("t"))
        for way, one in ways.items()
    }
    v1 = "v1.kernel.websocket.jupyter.org"
    assert told == {
        TokenWay.AUTHORIZATION: (by_header, by_header, [v1]),
        TokenWay.X_W2Z_TOKEN: (by_own, by_own, [v1]),
        TokenWay.SUBPROTOCOL: (
            {"X-Mine": "1"},
            by_own,
            [v1, "v1.token.websocket.jupyter.org.t"],
        ),
    }


@pytest.mark.parametrize("way", TokenWay)
def test_without_a_token_none_is_sent(way):
    remote = at("http://h/", token_way=way)
    assert remote.websocket_headers(None) == remote.rest_headers(None) == {}
    assert remote.subprotocols(None) == ["v1.kernel.websocket.jupyter.org"]


def test_tls_has_its_files(tmp_path):
    assert at("http://h/").tls() is None
    assert at("https://h/").tls() is not None
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    with pytest.raises(RemoteSettingsError, match=f"CA file {broken}"):
        at("https://h/", ca_file=broken).tls()
    with pytest.raises(RemoteSettingsError, match="CA file none: No such file"):
        at("https://h/", ca_file="none").tls()
    with pytest.raises(RemoteSettingsError, match=f"client certificate {broken}"):
        at("https://h/", client_cert=broken).tls()


def test_a_token_is_quoted_where_a_subprotocol_could_not_have_it() -> None:
    remote = Remote.at("http://h/", token="a/b=c%d~e", token_way="subprotocol", environment={})
    _, offered = remote.subprotocols(remote.read_token())
    assert offered == "v1.token.websocket.jupyter.org.a%2Fb%3Dc%25d~e"
    assert choose([offered]).token == "a/b=c%d~e"

"""Every setting: its default, its bounds, and that the manual says why."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from w2z.settings import MIB, Settings
from w2z.values import is_visible_ascii


def settings(**given_: Any) -> Settings:
    return Settings.model_validate({"connection_file": "kernel.json", **given_})


def test_a_kernel_is_all_that_has_to_be_given():
    with pytest.raises(ValidationError, match="which kernel"):
        Settings.model_validate({})
    assert settings().connection_file == Path("kernel.json")
    assert not settings().starts_kernel
    assert Settings.model_validate({"kernel": "python3"}).starts_kernel
    assert Settings.model_validate({"command": ("kernel", "{connection_file}")}).starts_kernel


def test_a_kernel_is_started_one_way():
    with pytest.raises(ValidationError, match="--kernel and a command contradict each other"):
        Settings.model_validate({"kernel": "python3", "command": ("kernel",)})


def test_the_time_to_end_a_kernel_leaves_room_within_docker_s_ten_seconds():
    got = settings()
    assert got.shutdown_timeout + got.terminate_timeout <= 5


def test_the_defaults_are_those_that_scripts_and_images_depend_on():
    got = settings()
    assert (got.host, got.port, got.base_url) == ("auto", 8888, "/")
    assert (got.wait, got.resume_window) == (60, 600)
    assert got.max_message_size == 64 * MIB
    assert got.max_kernel_message_size == 24 * MIB
    assert got.journal_size == 32 * MIB
    # Nobody gets in who was not let in on purpose.
    assert got.no_auth is False
    assert got.allow_origin == ()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_by_a_sentence(name):
    description = Settings.model_fields[name].description
    assert description
    assert description[0].isupper()
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("wait", 0),
        ("port", 0),
        ("resume_window", 0),
        ("max_body_size", 0),
        ("max_message_size", 1024),
        ("max_kernel_message_size", MIB),
        ("memory_budget", 2**20),
        ("max_header_size", 1024),
        ("journal_size", 1024),
        ("max_connections", 1),
    ],
)
def test_a_bound_itself_is_allowed_and_what_is_below_is_not(name, least):
    assert getattr(settings(**{name: least}), name) == least
    with pytest.raises(ValidationError, match=name):
        settings(**{name: least - 1})


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout", "handshake_timeout"])
def test_a_time_to_wait_for_somebody_is_not_zero(name):
    assert getattr(settings(**{name: 0.001}), name) == 0.001
    with pytest.raises(ValidationError, match=name):
        settings(**{name: 0})


def test_a_port_is_at_most_65535():
    assert settings(port=65535).port == 65535
    with pytest.raises(ValidationError, match="port"):
        settings(port=65536)


@pytest.mark.parametrize("name", ["wait", "ping_interval", "resume_window"])
def test_not_a_number_is_no_number_of_seconds(name):
    with pytest.raises(ValidationError, match=name):
        settings(**{name: "nan"})


def test_a_setting_nobody_knows_is_refused():
    with pytest.raises(ValidationError, match="prot"):
        settings(prot=8888)


def test_origins_are_kept_as_browsers_send_them():
    given = ("https://Page.Example:443/", "*")
    assert settings(allow_origin=given).allow_origin == ("https://page.example", "*")


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        settings().port = 1


@pytest.mark.parametrize(
    ("given_", "base"),
    [
        ("/", "/"),
        ("", "/"),
        ("//", "/"),
        ("x", "/x/"),
        ("/user/ann", "/user/ann/"),
        ("user/ann//", "/user/ann/"),
    ],
)
def test_a_base_url_begins_and_ends_with_a_slash(given_, base):
    assert settings(base_url=given_).base_url == base


@pytest.mark.parametrize("usable", ["python-1", "A.b_c", "0", "-", "_", "a."])
def test_a_kernel_id_fits_a_url(usable):
    assert settings(kernel_id=usable).kernel_id == usable


@pytest.mark.parametrize("wrong", ["", "a/b", "a b", "a\n", "\u00e9", "a?b", ".", "..", ".a"])
def test_a_kernel_id_that_does_not_is_refused(wrong):
    with pytest.raises(ValidationError, match="kernel_id"):
        settings(kernel_id=wrong)


@pytest.mark.parametrize("usable", ["1", "1000", "1000:0", "65534:65534"])
def test_a_kernel_s_user_is_a_number(usable):
    assert settings(kernel_uid=usable).kernel_uid == usable


@pytest.mark.parametrize("wrong", ["", "0", "-1", "anna", "1:", ":1", "1:2:3", "1000\n", "1" * 11])
def test_a_kernel_s_user_that_is_none_or_root_is_refused(wrong):
    with pytest.raises(ValidationError, match="kernel_uid"):
        settings(kernel_uid=wrong)


SOURCES: dict[str, dict[str, Any]] = {
    "--no-auth": {"no_auth": True},
    "--token-file": {"token_file": "t"},
    "--token-fd": {"token_fd": 3},
    "W2Z_TOKEN": {"token": "s3cret"},
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_token_may_come_from_anywhere(name):
    settings(**SOURCES[name])


@pytest.mark.parametrize("names", [*combinations(SOURCES, 2), tuple(SOURCES)])
def test_but_not_from_everywhere_and_those_that_were_given_are_named(names):
    given_: dict[str, Any] = {}
    for name in names:
        given_ |= SOURCES[name]
    with pytest.raises(ValidationError) as refused:
        settings(**given_)
    (mistake,) = refused.value.errors()
    assert mistake["msg"] == f"{', '.join(names)} contradict each other: give one of them"
    assert mistake["loc"] == ()


def test_authentication_that_is_not_turned_off_contradicts_nothing():
    assert settings(no_auth=False, token="s3cret").token is not None


def test_a_token_is_not_shown():
    got = settings(token="s3cret")
    assert "s3cret" not in repr(got)
    assert "s3cret" not in str(got)
    assert got.token is not None
    assert got.token.get_secret_value() == "s3cret"


@pytest.mark.parametrize("wrong", ["", " ", "a b", "a\n", "\x7f", "\u00e9"])
def test_a_token_that_cannot_be_sent_is_refused(wrong):
    with pytest.raises(ValidationError, match="visible ASCII") as refused:
        settings(token=wrong)
    # What the command line makes of it has no input in it; see test_cli.
    assert refused.value.error_count() == 1


@given(st.text(max_size=5))
def test_a_token_is_visible_ascii(text):
    visible = bool(text) and text.isascii() and text.isprintable() and " " not in text
    assert is_visible_ascii(text) is visible


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_log_level_is_one_of_four(level):
    assert settings(log_level=level).log_level == level
    with pytest.raises(ValidationError, match="log_level"):
        settings(log_level=level.upper())


@pytest.mark.parametrize("name", ["register_with_chp", "advertise"])
def test_proxies_are_told_urls(name):
    for url in ("http://127.0.0.1:8001", "https://chp", "http://[::1]:8001/", "http://h:1/below"):
        got = settings(**{"register_with_chp": "http://chp", name: url})
        assert getattr(got, name) == url.rstrip("/")
    bare = ["", "chp:8001", "ftp://chp", "http://", "http://:8001", "http://[::1", "http://h h"]
    ports = ["http://h:0", "http://h:66000", "http://h:x"]
    for url in (*bare, *ports, "http://user:secret@h", "http://h/?a", "http://h/#a"):
        with pytest.raises(ValidationError, match="http://HOST:PORT"):
            settings(**{"register_with_chp": "http://chp", name: url})


def test_only_a_proxy_that_is_told_something_is_told_an_address():
    with pytest.raises(ValidationError, match="--advertise is for --register-with-chp"):
        settings(advertise="http://w2z:8888")


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("https://page.example", "https://page.example"),
        ("https://page.example/", "https://page.example"),
        ("HTTPS://Page.Example", "https://page.example"),
        ("https://page.example:443", "https://page.example"),
        ("http://page.example:80/", "http://page.example"),
        ("http://page.example:8080", "http://page.example:8080"),
        ("http://[::1]:8888", "http://[::1]:8888"),
        ("vscode-webview://abc", "vscode-webview://abc"),
        ("*", "*"),
        ("null", "null"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given_, kept):
    assert settings(allow_origin=(given_,)).allow_origin == (kept,)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "page.example",
        "page.example:443",
        "https://page.example/path",
        "https://page.example//",
        "https://a.example,https://b.example",
        "https://*.example",
        "https://page.example?",
        "https://page.example#",
        "https://user@page.example",
        "https://page.example:99999",
        "https://p\u00e4ge.example",
        "file:///x",
        "https://",
    ],
)
def test_what_no_browser_sends_as_an_origin_is_refused(origin):
    with pytest.raises(ValidationError, match="has to be like https://example"):
        settings(allow_origin=(origin,))


def test_networks_of_proxies_may_be_separated_by_commas():
    got = settings(trust_proxy=("10.0.0.0/8, 192.0.2.1", "fd00::/8")).trust_proxy
    assert got == ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")
    for wrong in ("proxy", "10.0.0.1/8", "10.0.0.0/33"):
        with pytest.raises(ValidationError, match="has to be a network such as"):
            settings(trust_proxy=(wrong,))


def test_an_allowed_host_is_a_name():
    assert settings(allow_host=("kernel.example", "*")).allow_host == ("kernel.example", "*")
    for wrong in ("", "http://kernel.example", "kernel.example:8888", "*.example"):
        with pytest.raises(ValidationError, match="has to be a name without a port"):
            settings(allow_host=(wrong,))

"""Who may connect: every place a token may be, and every origin that may ask."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.errors import HttpError
from w2z.server.access.policy import AccessPolicy, is_same_origin, is_unmistakable
from w2z.server.request import Request

HOST = ("host", "kernel.example:8888")
POLICY = AccessPolicy(lambda: "s3cret")


def asking(*headers: tuple[str, str], query: str = "", method: str = "GET") -> Request:
    """A request with these headers."""
    return Request(method, f"/api/kernels?{query}", (HOST, *headers))


def status_of(policy: AccessPolicy, request: Request, subprotocol_token: str | None = None) -> int:
    """200 if the request may pass, else what it is answered."""
    try:
        policy.check(request, subprotocol_token)
    except HttpError as error:
        return error.status
    return 200


# Tokens


@pytest.mark.parametrize(
    "authorization",
    ["Bearer s3cret", "token s3cret", "BEARER s3cret", "bearer  s3cret ", "Token\u0020 s3cret"],
)
def test_a_token_in_the_authorization_header_passes(authorization):
    assert status_of(POLICY, asking(("authorization", authorization))) == 200


def test_a_token_in_the_query_passes():
    assert status_of(POLICY, asking(query="token=s3cret")) == 200


def test_a_token_among_the_subprotocols_passes():
    assert status_of(POLICY, asking(), "s3cret") == 200


@pytest.mark.parametrize(
    "request_",
    [
        asking(("authorization", "Basic dXNlcjpwYXNz"), query="token=s3cret"),
        asking(("authorization", "Bearer of the proxy"), query="token=s3cret"),
        asking(("authorization", "Bearer s3cret"), query="token=wrong"),
        asking(query="token=wrong&token=s3cret"),
    ],
)
def test_one_right_token_is_enough(request_):
    assert status_of(POLICY, request_) == 200


@pytest.mark.parametrize(
    "request_",
    [
        asking(),
        asking(query="token="),
        asking(("authorization", "")),
        asking(("authorization", "Bearer")),
        asking(("authorization", "Bearer ")),
        asking(("authorization", "s3cret")),
        asking(("authorization", "Basic s3cret")),
        asking(("cookie", "token=s3cret")),
    ],
)
def test_no_token_is_401_and_says_how_to_send_one(request_):
    with pytest.raises(HttpError, match="a token is needed") as refused:
        POLICY.check(request_, "")
    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="w2z"'}


@pytest.mark.parametrize(
    "wrong", ["s3cre", "s3crets", "S3cret", " ", "\u04553cret", "\x00", "\xff"]
)
def test_a_wrong_token_is_403_and_is_not_repeated(wrong):
    with pytest.raises(HttpError) as refused:
        POLICY.check(asking(), wrong)
    assert refused.value.status == 403
    assert refused.value.message == "the token is not valid"


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Z", "C"], codec="utf-8")))
def test_any_header_is_refused_and_not_an_error(value):
    assert status_of(POLICY, asking(("authorization", f"Bearer {value}"))) in (401, 403)


def test_the_token_valid_now_counts():
    tokens = iter(["old", "new"])
    policy = AccessPolicy(lambda: next(tokens))
    assert status_of(policy, asking(query="token=old")) == 200
    assert status_of(policy, asking(query="token=old")) == 403


def test_what_passes_is_told_with_which_token():
    assert POLICY.check(asking(query="token=wrong&token=s3cret")) == "s3cret"
    assert AccessPolicy(None).check(asking(query="token=wrong")) is None


def test_when_no_token_is_valid_nobody_passes():
    policy = AccessPolicy(lambda: None)
    assert status_of(policy, asking()) == 401
    assert status_of(policy, asking(query="token=None")) == 403


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert status_of(POLICY, asking(query="token=wrong")) == 403
    assert compared == [(b"wrong", b"s3cret")]


# Origins

OPEN = AccessPolicy(None)
STRICT = AccessPolicy(lambda: "s3cret", strict_origin=True)
ELSEWHERE = ("origin", "https://elsewhere.example")
HERE = ("origin", "http://kernel.example:8888")


def test_a_right_token_passes_from_any_origin():
    assert status_of(POLICY, asking(ELSEWHERE, query="token=s3cret")) == 200


def test_strict_origin_refuses_other_origins_even_with_a_right_token():
    assert status_of(STRICT, asking(ELSEWHERE, query="token=s3cret")) == 403
    assert status_of(STRICT, asking(HERE, query="token=s3cret")) == 200
    assert status_of(STRICT, asking(HERE)) == 401


def from_page(origin: str, host: str) -> Request:
    """What a page of ``origin`` asks of ``host``."""
    return Request("GET", "/api/kernels", (("host", host), ("origin", origin)))


@pytest.mark.parametrize("policy", [OPEN, AccessPolicy(None, strict_origin=True)])
@pytest.mark.parametrize("host", ["127.0.0.1:8888", "[::1]:8888", "localhost:8888"])
def test_without_a_token_only_the_same_origin_passes(policy, host):
    assert status_of(policy, from_page(f"http://{host}", host)) == 200
    assert status_of(policy, from_page(f"http://{host}0", host)) == 403
    assert status_of(policy, from_page("https://elsewhere.example", host)) == 403
    assert status_of(policy, from_page("null", host)) == 403


@pytest.mark.parametrize("policy", [OPEN, AccessPolicy(None, strict_origin=True)])
def test_without_a_token_a_name_that_was_made_to_point_here_is_not_ours(policy):
    # DNS rebinding: the page's own name has come to be this address.
    assert status_of(policy, asking(HERE)) == 403


def test_a_name_that_is_ours_is_allowed_by_its_origin():
    assert status_of(AccessPolicy(None, (HERE[1],)), asking(HERE)) == 200
    assert status_of(AccessPolicy(None, (HERE[1],)), asking(ELSEWHERE)) == 403


def test_with_a_token_any_name_may_be_ours():
    assert status_of(STRICT, asking(HERE, query="token=s3cret")) == 200


def test_who_is_no_web_page_sends_no_origin_and_passes():
    assert status_of(OPEN, asking()) == 200


@pytest.mark.parametrize("allowed", [("https://elsewhere.example",), ("*",), ("x", "*")])
def test_an_allowed_origin_passes(allowed):
    assert status_of(AccessPolicy(None, allowed), asking(ELSEWHERE)) == 200


def test_a_page_of_any_origin_is_refused_where_the_host_is_missing():
    assert status_of(OPEN, Request("GET", "/", (HERE,))) == 403


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://h", "h"),
        ("http://h", "h:80"),
        ("http://h:80", "h"),
        ("https://h", "h:443"),
        # Behind a proxy that ends TLS the host header has no port.
        ("https://h", "h"),
        ("http://H.Example:8888", "h.example:8888"),
        ("http://[::1]:8888", "[::1]:8888"),
        ("ws://h:8888", "h:8888"),
    ],
)
def test_the_same_host_and_port_are_the_same_origin(origin, host):
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://h", "h:8888"),
        ("http://h:8888", "h"),
        ("http://h.evil.example", "h"),
        ("http://evil.example/h", "h"),
        ("http://h@evil.example", "h"),
        ("null", "h"),
        ("", "h"),
        ("http://", ""),
        ("http://h", ""),
        ("file:///h", "h"),
        ("chrome-extension://h", "h"),
        ("http://h:port", "h"),
        ("http://h", "h:99999"),
        ("http://[h", "h"),
        ("http://h", "[h"),
    ],
)
def test_anything_else_is_another_origin(origin, host):
    assert not is_same_origin(origin, host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8888",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:8888",
        "[2001:db8::1]:443",
        "localhost",
        "localhost:8888",
        "LocalHost:8888",
        "lab.localhost",
        "lab.localhost:8888",
    ],
)
def test_addresses_and_localhost_cannot_be_anybody_elses(host):
    assert is_unmistakable(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8888",
        "h",
        "kernel.example:8888",
        "localhost.example",
        "notlocalhost",
        "127.0.0.1.example",
        "127.0.0.1@kernel.example",
        "kernel.example/127.0.0.1",
        "127.0.0",
        "1270.0.0.1",
        "2130706433",
        "[::1",
        "[kernel.example]",
        "::1]",
    ],
)
def test_any_other_name_may_be_somebody_elses(host):
    assert not is_unmistakable(host)


@given(st.text())
def test_any_host_header_is_ours_or_not_and_no_error(host):
    assert is_unmistakable(host) in (True, False)


# CORS


@pytest.mark.parametrize("origin", [None, "https://elsewhere.example"])
def test_pages_that_are_not_allowed_get_no_cors_headers(origin):
    assert AccessPolicy(None).cors_headers(origin) == {}
    assert AccessPolicy(None, ("https://other.example",)).cors_headers(origin) == {}


def test_an_allowed_page_may_read_answers_and_caches_keep_them_apart():
    policy = AccessPolicy(None, ("https://elsewhere.example",))
    assert policy.cors_headers("https://elsewhere.example") == {
        "Access-Control-Allow-Origin": "https://elsewhere.example",
        "Vary": "Origin",
    }


def test_a_preflight_of_an_allowed_page_names_what_jupyters_clients_send():
    got = AccessPolicy(None, ("*",)).preflight_headers(asking(ELSEWHERE, method="OPTIONS"))
    assert got["Access-Control-Allow-Origin"] == ELSEWHERE[1]
    methods = got["Access-Control-Allow-Methods"].split(", ")
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(methods)
    headers = got["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "content-type", "x-xsrftoken"} <= set(headers)
    assert "Access-Control-Allow-Private-Network" not in got


def test_a_preflight_from_a_public_page_to_a_private_network_is_answered():
    asked = asking(ELSEWHERE, ("access-control-request-private-network", "true"))
    assert AccessPolicy(None, ("*",)).preflight_headers(asked)[
        "Access-Control-Allow-Private-Network"
    ]
    assert AccessPolicy(None).preflight_headers(asked) == {}


@pytest.mark.parametrize("origin", ["http://\xe9", "http://a b", "http://a\x01", ""])
def test_an_origin_that_no_browser_sends_is_never_sent_back(origin):
    assert AccessPolicy(None, ("*",)).cors_headers(origin) == {}

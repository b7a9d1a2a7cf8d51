"""Who may connect: every place a token may be, and every origin that may ask."""

import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.errors import HttpError
from w2z.server.access.hosts import Hosts
from w2z.server.access.policy import SHARED, AccessPolicy, is_same_origin, principal_of
from w2z.server.request import Request
from w2z.settings import Settings

HOST = ("host", "kernel.example:8888")
POLICY = AccessPolicy(lambda: "s3cret")


def asking(*headers: tuple[str, str], query: str = "", method: str = "GET") -> Request:
    """A request with these headers."""
    return Request(method, f"/api/kernels?{query}", (HOST, *headers))


def test_all_who_have_the_token_are_one_principal_and_the_others_are_nobody():
    assert principal_of(POLICY.check(asking(query="token=s3cret"))) == SHARED
    later = AccessPolicy(lambda: "later")
    assert principal_of(later.check(asking(query="token=later"))) == SHARED
    assert principal_of(None) is None, "nobody needs a token"


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


def test_a_token_in_the_header_of_its_own_passes():
    """Beside whatever a proxy has made of ``Authorization``."""
    header = ("x-w2z-token", " s3cret ")
    assert status_of(POLICY, asking(header)) == 200
    assert status_of(POLICY, asking(header, ("authorization", "Bearer of the proxy"))) == 200
    assert status_of(POLICY, asking(("x-w2z-token", "wrong"))) == 403


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
        asking(("x-w2z-token", " ")),
        asking(("x-w2z-token", "s3cret"), ("x-w2z-token", "s3cret")),
        asking(("cookie", "token=s3cret")),
        # Two in one place: another reader of the request may take the other one.
        asking(query="token=wrong&token=s3cret"),
        asking(query="token=s3cret&token=s3cret"),
        asking(query="token=&token=s3cret"),
        asking(("authorization", "Bearer s3cret"), ("authorization", "Bearer s3cret")),
        asking(("authorization", "Basic dXNlcjpwYXNz"), ("authorization", "Bearer s3cret")),
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
    assert POLICY.check(asking(query="token=s3cret")) == "s3cret"
    open_to_all = AccessPolicy(None, hosts=Hosts.of("127.0.0.1", ("*",)))
    assert open_to_all.check(asking(query="token=wrong")) is None


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


def of(token: str | None = None, host: str = "0.0.0.0", **more: Any) -> AccessPolicy:
    """The policy of these settings."""
    given = {"connection_file": "x", "no_auth": token is None, "host": host, **more}
    return AccessPolicy.of(Settings.model_validate(given), None if token is None else lambda: token)


def test_a_name_that_is_ours_is_allowed_by_its_origin():
    assert status_of(of(allow_origin=(HERE[1],)), asking(HERE)) == 200
    assert status_of(of(allow_origin=(HERE[1],)), asking(ELSEWHERE)) == 403


@pytest.mark.parametrize("ours", [{"allow_host": ("Kernel.Example",)}, {"host": "kernel.example"}])
def test_a_name_of_w2z_is_ours_with_and_without_a_page(ours):
    assert status_of(of(**ours), asking(HERE)) == 200
    assert status_of(of(**ours), asking()) == 200
    assert status_of(of(**ours), asking(ELSEWHERE)) == 403
    assert status_of(of(**ours), Request("GET", "/", (("host", "other.example"),))) == 403


def test_without_a_token_a_get_of_a_rebound_page_is_refused_though_it_has_no_origin():
    with pytest.raises(HttpError, match="--allow-host"):
        of().check(asking())
    assert status_of(of(), Request("GET", "/", (("host", "127.0.0.1:8888"),))) == 200


def open_to(policy: AccessPolicy, request: Request) -> int:
    """200 if the request may have what needs no token."""
    try:
        policy.check_open(request)
    except HttpError as error:
        return error.status
    return 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_even_what_is_open_needs_the_token_for_another_name(host):
    policy = of("s3cret", host)
    assert open_to(policy, asking()) == 401
    assert open_to(policy, asking(query="token=wrong")) == 403
    assert open_to(policy, asking(query="token=s3cret")) == 200
    assert open_to(policy, Request("GET", "/api", (("host", "localhost:8888"),))) == 200
    assert status_of(policy, asking(query="token=s3cret")) == 200


def test_elsewhere_what_is_open_is_open_under_any_name():
    assert open_to(of("s3cret"), asking()) == 200
    assert open_to(of(), asking()) == 403


def test_with_a_token_any_name_may_be_ours():
    assert status_of(STRICT, asking(HERE, query="token=s3cret")) == 200


def test_who_is_no_web_page_sends_no_origin_and_passes():
    assert status_of(OPEN, Request("GET", "/", (("host", "localhost"),))) == 200


@pytest.mark.parametrize("allowed", [("https://elsewhere.example",), ("*",), ("http://x", "*")])
def test_an_allowed_origin_passes(allowed):
    host = ("host", "localhost:8888")
    page = Request("GET", "/api/kernels", (host, ELSEWHERE))
    assert status_of(of(allow_origin=allowed), page) == 200


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
    assert got["Access-Control-Allow-Origin"] == "*"
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


@pytest.mark.parametrize("origin", ["null", "https://elsewhere.example"])
def test_where_any_page_may_read_no_origin_is_sent_back(origin):
    assert AccessPolicy(None, ("*",)).cors_headers(origin) == {"Access-Control-Allow-Origin": "*"}


def test_a_preflight_is_told_the_headers_that_it_asked_for():
    asked = "X-Trace, content-type,x bad," + "y" * 65
    request = asking(ELSEWHERE, ("access-control-request-headers", asked), method="OPTIONS")
    got = AccessPolicy(None, ("*",)).preflight_headers(request)["Access-Control-Allow-Headers"]
    assert got == "accept, content-type, authorization, x-xsrftoken, x-w2z-token, x-trace"
    many = ",".join(f"x-{number}" for number in range(5000))
    request = asking(ELSEWHERE, ("access-control-request-headers", many), method="OPTIONS")
    got = AccessPolicy(None, ("*",)).preflight_headers(request)["Access-Control-Allow-Headers"]
    assert len(got) < 1000

"""Requests and answers, apart from any connection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from w2z.errors import HttpError
from w2z.server.request import (
    MAX_MESSAGE,
    MAX_QUERY_FIELDS,
    MAX_SHOWN,
    Request,
    Response,
    error_response,
    json_response,
    model_response,
    shown,
)

HEADERS = (
    ("host", "h"),
    ("accept", "first"),
    ("accept", "second, third ,,"),
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "h2c, WebSocket"),
)


def test_the_path_ends_at_the_query_and_is_not_decoded():
    assert Request("GET", "/a%2Fb/%C3%A9?path=/c").path == "/a%2Fb/%C3%A9"
    assert Request("GET", "/a").path == "/a"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://h/a%20b?x=1", "/a%20b"),
        ("http://h:8888/api/kernels", "/api/kernels"),
        ("HTTPS://user@[::1]:8888/a/b/", "/a/b/"),
        ("http://h", "/"),
        ("http://h/", "/"),
        ("http://h?path=/x", "/"),
        ("ws://h//a", "//a"),
        ("http://h/a://b/c", "/a://b/c"),
    ],
)
def test_a_target_may_be_a_whole_url(target, path):
    assert Request("GET", target).path == path


def test_a_whole_url_has_its_query():
    assert Request("GET", "http://h/a?x=http://y/z").query == {"x": ["http://y/z"]}


@pytest.mark.parametrize(
    "target",
    ["/a://b/c", "/http://h/a", "//h/a", "*", "h:8888", "a/b", "://h/a", "a/b://h/c", "1://h/a"],
)
def test_any_other_target_is_a_path_as_it_is(target):
    assert Request("GET", target).path == target


@pytest.mark.parametrize("target", ["*?http://h/a", "/?http://h/a"])
def test_a_url_in_the_query_makes_no_path(target):
    assert Request("GET", target).path == target.partition("?")[0]


def test_the_query_is_decoded_and_keeps_what_comes_twice():
    got = Request("GET", "/?token=a%2Bb&x=1&x=2&empty=&1700000000").query
    assert got == {"token": ["a+b"], "x": ["1", "2"], "empty": [""], "1700000000": [""]}


def test_a_request_without_a_query_has_no_fields():
    assert Request("GET", "/a").query == {}


def test_a_query_of_too_many_fields_is_400():
    def asked(count: int) -> Request:
        return Request("GET", "/?" + "&".join(f"f{number}=x" for number in range(count)))

    assert len(asked(MAX_QUERY_FIELDS).query) == MAX_QUERY_FIELDS
    with pytest.raises(HttpError, match=f"more than {MAX_QUERY_FIELDS} fields") as refused:
        _ = asked(MAX_QUERY_FIELDS + 1).query
    assert refused.value.status == 400


@given(st.text())
def test_any_target_has_a_path_and_a_query(target):
    request = Request("GET", target)
    assert isinstance(request.path, str)
    assert len(request.query) <= MAX_QUERY_FIELDS


def test_the_first_header_of_a_name_counts():
    request = Request("GET", "/", HEADERS)
    assert request.header("accept") == "first"
    assert request.header("origin") is None


def test_a_header_list_is_of_all_headers_of_that_name():
    request = Request("GET", "/", HEADERS)
    assert request.header_list("accept") == ["first", "second", "third"]
    assert request.header_list("origin") == []


@pytest.mark.parametrize(
    ("headers", "wants"),
    [
        (HEADERS, True),
        ((("upgrade", "websocket"),), True),
        ((("upgrade", "websockets"),), False),
        ((("connection", "upgrade"),), False),
        ((), False),
    ],
)
def test_an_upgrade_to_websocket_is_asked_for_by_name(headers, wants):
    assert Request("GET", "/", headers).wants_websocket is wants


def test_an_answer_in_json_says_so():
    got = json_response({"a": 1}, 201, {"Location": "/x"})
    assert got == Response(
        201,
        b'{"a":1}',
        {"Content-Type": "application/json", "Location": "/x"},
    )


class Thing(BaseModel):
    name: str
    reason: str | None = None


def test_a_model_is_answered_without_the_fields_that_are_none():
    assert model_response(Thing(name="a"), 201, {"Location": "/x"}) == json_response(
        {"name": "a"}, 201, {"Location": "/x"}
    )
    assert model_response(Thing(name="a", reason="why")).body == b'{"name":"a","reason":"why"}'


@pytest.mark.parametrize("names", ["", "ab"])
def test_so_are_several(names):
    got = model_response([Thing(name=name) for name in names], 200)
    assert got == json_response([{"name": name} for name in names])


@pytest.mark.parametrize("close", [True, False])
def test_an_error_is_answered_in_the_shape_jupyters_clients_read(close):
    error = HttpError(405, 'caf\u00e9 "\ud83d"', {"Allow": "GET"})
    got = error_response(error, close=close)
    assert got.status == 405
    assert json.loads(got.body) == {"message": 'caf\u00e9 "\ud83d"', "reason": None}
    assert got.headers["Allow"] == "GET"
    assert got.headers["Content-Type"] == "application/json"
    assert got.close is close


def test_nothing_is_told_at_length():
    assert shown("x" * MAX_SHOWN) == "x" * MAX_SHOWN
    assert shown("x" * 60_000) == "x" * MAX_SHOWN + "\u2026"
    told = json.loads(error_response(HttpError(400, "x" * 60_000)).body)["message"]
    assert told == "x" * MAX_MESSAGE + "\u2026"


@pytest.mark.parametrize(
    ("headers", "version", "closes"),
    [
        ((), "1.1", False),
        ((("connection", "keep-alive, Close"),), "1.1", True),
        ((("connection", "keep-alive"),), "1.1", False),
        ((), "1.0", True),
    ],
)
def test_a_connection_ends_when_the_client_says_so_or_speaks_http_1_0(headers, version, closes):
    assert Request("GET", "/", headers, b"", version).wants_close is closes


def test_all_headers_of_a_name_are_found():
    assert Request("GET", "/", HEADERS).all_headers("accept") == ["first", "second, third ,,"]

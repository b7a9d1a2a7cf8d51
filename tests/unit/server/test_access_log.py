"""A line for each request and each websocket, in which no peer's text is."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.log import listening
from w2z.counts import Counts, RequestKind
from w2z.errors import HttpError
from w2z.message import Author
from w2z.server.access_log import ELSEWHERE, HIDDEN, AccessLog, shown, websocket_ended
from w2z.server.request import Request, Response, error_response
from w2z.server.routes import Route, Router

TOKEN = "a-token-for-tests"


async def handle(request: Request) -> Response:
    return Response(200)


WHO = Author("1.2.3.4:5", "anna")
ROUTES = [
    Route("GET", "/livez", handle, needs_token=False),
    Route("GET", "/api/kernels", handle),
    Route("GET", "/api/kernels/{kernel_id}", handle),
    Route("DELETE", "/api/sessions/{session_id}", handle),
]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def access(counts: Counts) -> AccessLog:
    return AccessLog(Router(ROUTES, "/k1/"), "/k1/", "mine", counts)


def line(access: AccessLog, method: str, target: str, response: Response | None = None) -> str:
    with listening() as heard:
        answer = response or Response(200)
        access.answered(WHO, Request(method, target), answer, 12, 0.0015)
    return heard.lines[0]


def test_a_line_says_who_what_and_how_it_ended(access, counts):
    assert line(access, "GET", "/k1/api/kernels?token=x") == (
        '1.2.3.4:5 anna "GET /k1/api/kernels" 200 12 B 1.5 ms'
    )
    assert counts.requests == {RequestKind("GET", "/api/kernels", 200): 1}
    assert not counts.refusals


def test_it_has_fields_for_json(access):
    logger = logging.getLogger("w2z.access")
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep()
    logger.addHandler(handler)
    try:
        line(access, "GET", "/k1/api/kernels/mine", error_response(HttpError(401, "no")))
    finally:
        logger.removeHandler(handler)
    assert records[0].__dict__["fields"] == {
        "event": "request",
        "peer": "1.2.3.4:5",
        "principal": "anna",
        "method": "GET",
        "path": "/k1/api/kernels/mine",
        "status": 401,
        "duration_ms": 1.5,
        "bytes": 12,
        "refused": "no_token",
    }


def test_a_refusal_has_its_reason_in_one_word(access, counts):
    refusal = error_response(HttpError(403, f"not {TOKEN}", reason="wrong_token"))
    said = line(access, "GET", "/k1/api/kernels", refusal)
    assert said.endswith(", refused: wrong_token")
    assert TOKEN not in said
    assert counts.refusals == {"wrong_token": 1}


def test_probes_are_for_debugging(access, counts):
    with listening() as heard:
        access.answered(WHO, Request("GET", "/k1/livez"), Response(200), 1, 0)
    assert heard.lines == []
    with listening(logging.DEBUG) as heard:
        access.answered(WHO, Request("GET", "/k1/livez"), Response(200), 1, 0)
    assert len(heard.lines) == 1
    assert counts.requests == {RequestKind("GET", "/livez", 200): 2}


def test_what_could_not_be_read_has_a_line_too(access, counts):
    with listening() as heard:
        access.answered(WHO, None, error_response(HttpError(400, "bad")), 1, 0)
    assert heard.lines[0].startswith('1.2.3.4:5 anna "- -" 400')
    assert counts.requests == {RequestKind("-", ELSEWHERE, 400): 1}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (f"/k1/api/kernels/{TOKEN}", "/k1/api/kernels/{kernel_id}"),
        (f"/k1/api/sessions/{TOKEN}", "/k1/api/sessions/{session_id}"),
        (f"/k1/{TOKEN}", "/k1/*"),
        (f"/k1/api/kernels;token={TOKEN}", "/k1/api/*"),
        (f"/k1/api/kernels%3Ftoken={TOKEN}", "/k1/api/*"),
        (f"http://user:{TOKEN}@host/x", HIDDEN),
        ("/api/kernels", "/api/kernels"),
        ("/", "/"),
        ("/a" * 9, "/a" * 8 + "/*"),
    ],
)
def test_a_path_shows_nothing_that_could_be_a_token(access, target, path):
    said = line(access, "GET", target)
    assert f'"GET {path}"' in said
    assert TOKEN not in said


def test_a_method_that_nobody_knows_is_not_shown(access, counts):
    assert '"other /k1/api/kernels"' in line(access, TOKEN, "/k1/api/kernels")
    assert set(counts.requests) == {RequestKind(ELSEWHERE, "/api/kernels", 200)}


@given(st.text())
def test_an_unknown_path_is_short_and_plain(target):
    path = shown(target)
    assert path.isascii()
    assert path.isprintable()
    assert max(len(word) for word in path.split("/")) <= 12


def test_a_websocket_has_a_line_at_its_end():
    with listening() as heard:
        websocket_ended(WHO, "a-secret-session", 1001, 2.04, received=10, sent=20)
    [said] = heard.lines
    assert "1.2.3.4:5 anna websocket" in said
    assert "1001, 10 B received, 20 B sent, 2.0 s" in said
    assert "a-secret-session" not in said

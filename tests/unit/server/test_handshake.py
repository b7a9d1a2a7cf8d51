"""From an upgrade request to a websocket, or the reason why not."""

import logging
import sys
from urllib.parse import quote

import pytest

from w2z.errors import HttpError
from w2z.server.access.policy import AccessPolicy
from w2z.server.handshake import MAX_SESSION_ID, PROTOCOL_LOG, Accepted, accept
from w2z.server.request import Request
from w2z.wire.subprotocol import DEFAULT, TOKEN_SUBPROTOCOL, V1
from w2z.wire.v1 import SUBPROTOCOL

GATE = AccessPolicy(lambda: "s3cret")
# RFC 6455 section 1.3 has this key and the answer to it.
UPGRADE = {
    "host": "h",
    "upgrade": "websocket",
    "connection": "keep-alive, Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def asking(
    query: str = "token=s3cret", method: str = "GET", version: str = "1.1", **headers: str | None
) -> Request:
    """An upgrade request; a header of ``None`` is left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = tuple((name, value) for name, value in {**UPGRADE, **named}.items() if value is not None)
    return Request(method, f"/channels?{query}", sent, b"", version)


def answered(accepted: Accepted) -> tuple[str, dict[str, str]]:
    """The status line and the headers of the answer."""
    head, _, rest = accepted.response.serialize().decode().partition("\r\n\r\n")
    assert rest == ""
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines)


def refused(request: Request) -> HttpError:
    """The error an upgrade is answered with."""
    with pytest.raises(HttpError) as error:
        accept(request, GATE)
    return error.value


def test_a_right_request_is_switched_over():
    status, headers = answered(accept(asking(), GATE))
    assert status == "HTTP/1.1 101 Switching Protocols"
    del headers["Date"]
    assert headers == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


def test_the_kernel_subprotocol_is_answered_when_it_is_offered():
    accepted = accept(asking(sec_websocket_protocol=f"chat, {SUBPROTOCOL}"), GATE)
    assert accepted.codec is V1
    assert answered(accepted)[1]["Sec-WebSocket-Protocol"] == SUBPROTOCOL


def test_who_offers_nothing_gets_the_default_format():
    assert accept(asking(), GATE).codec is DEFAULT


def test_a_token_among_the_subprotocols_lets_in_and_is_not_echoed():
    offered = f"{SUBPROTOCOL}, {TOKEN_SUBPROTOCOL}.s3cret"
    accepted = accept(asking("", sec_websocket_protocol=offered), GATE)
    assert b"s3cret" not in accepted.response.serialize()


def test_compression_is_not_taken_up():
    accepted = accept(asking(sec_websocket_extensions="permessage-deflate"), GATE)
    assert "Sec-WebSocket-Extensions" not in answered(accepted)[1]


# Sessions


def test_a_named_session_can_be_resumed():
    accepted = accept(asking("token=s3cret&session_id=abc"), GATE)
    assert (accepted.session_id, accepted.resumable) == ("abc", True)


@pytest.mark.parametrize("query", ["token=s3cret", "token=s3cret&session_id="])
def test_an_unnamed_session_gets_a_name_of_its_own_and_cannot(query):
    first, second = accept(asking(query), GATE), accept(asking(query), GATE)
    assert not first.resumable
    assert first.session_id
    assert first.session_id != second.session_id


def test_a_session_id_has_a_bound():
    longest = "x" * MAX_SESSION_ID
    assert accept(asking(f"token=s3cret&session_id={longest}"), GATE).session_id == longest
    error = refused(asking(f"token=s3cret&session_id={longest}x"))
    assert error.status == 400
    assert str(MAX_SESSION_ID) in error.message


# Refusals


@pytest.mark.parametrize(
    ("query", "replay"),
    [("", 0), ("&replay=0", 0), ("&replay=25", 25), ("&replay=all", sys.maxsize)],
)
def test_a_newcomer_may_ask_for_what_was_said_last(query, replay):
    assert accept(asking(f"token=s3cret{query}"), GATE).replay == replay


@pytest.mark.parametrize("number", ["", "-1", "1.5", "ALL", "٣", "9" * 10, "1 "])
def test_a_number_of_messages_that_is_none_is_400(number):
    error = refused(asking(f"token=s3cret&replay={quote(number)}"))
    assert error.status == 400
    assert error.message == "replay has to be a number of messages, or 'all'"


def test_who_resumes_may_say_what_has_arrived():
    assert accept(asking("token=s3cret&received=17"), GATE).received == 17
    assert accept(asking(), GATE).received == 0


@pytest.mark.parametrize("number", ["", "-1", "1.5", "all", "٣", "9" * 21, "1 "])
def test_what_is_no_position_is_400(number):
    error = refused(asking(f"token=s3cret&received={quote(number)}"))
    assert error.status == 400
    assert error.message == "received has to be the number in the last ping"


def test_the_token_comes_before_everything_else():
    assert refused(asking("")).status == 401
    assert refused(asking("token=wrong")).status == 403
    assert refused(asking("", sec_websocket_key=None)).status == 401
    assert refused(asking("session_id=" + "x" * 1000)).status == 401


@pytest.mark.parametrize(
    ("request_", "status", "headers"),
    [
        (asking(method="POST"), 405, {"Allow": "GET"}),
        (asking(version="1.0"), 505, {}),
        (asking(upgrade=None), 426, {"Upgrade": "websocket"}),
        (asking(connection="close"), 426, {"Upgrade": "websocket"}),
        (asking(sec_websocket_key=None), 400, {}),
        (asking(sec_websocket_key="short"), 400, {}),
        (asking(sec_websocket_version=None), 400, {}),
        (asking(sec_websocket_protocol="no list;"), 400, {}),
    ],
)
def test_a_request_that_rfc_6455_does_not_allow_is_refused(request_, status, headers):
    error = refused(request_)
    assert error.status == status
    assert error.headers == headers
    assert error.message.startswith("Failed to open a WebSocket connection")


@pytest.mark.parametrize("version", ["12", "8", "0", "14", "x", "", "013", "13, 8"])
def test_another_version_of_the_protocol_is_426_and_told_which_one_is_spoken(version):
    error = refused(asking(sec_websocket_version=version))
    assert error.status == 426
    assert error.headers == {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert f"version {version} " in error.message


def test_the_token_comes_before_the_version():
    assert refused(asking("", sec_websocket_version="12")).status == 401


def test_tokens_and_content_do_not_reach_the_log(caplog):
    with caplog.at_level(logging.DEBUG):
        accept(asking("token=s3cret"), GATE)
        refused(asking("token=s3cret", sec_websocket_key=None))
    assert caplog.text == ""
    assert not PROTOCOL_LOG.isEnabledFor(logging.ERROR)


def test_the_value_of_a_wrong_header_is_not_repeated():
    error = refused(asking(sec_websocket_key="s3cret" * 1000))
    assert error.status == 400
    assert error.message.endswith("invalid Sec-WebSocket-Key header")

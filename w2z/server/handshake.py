"""From an upgrade request to an accepted websocket, or the reason why not.

Everything is refused here, as an HTTP answer, that can be refused before the upgrade: the token
first of all. The opening handshake itself (RFC 6455 section 4.2) is websockets' own.
"""

from __future__ import annotations

import logging
import sys
import uuid
from dataclasses import dataclass

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue
from websockets.http11 import Request as WebsocketRequest
from websockets.server import ServerProtocol

from w2z.errors import HttpError
from w2z.server.access.policy import AccessPolicy
from w2z.server.request import Request
from w2z.wire.payload import Codec
from w2z.wire.subprotocol import choose

# websockets logs whole requests and frames, tokens and content with them: neither is for logs.
PROTOCOL_LOG = logging.getLogger("w2z.protocol")
PROTOCOL_LOG.setLevel(logging.CRITICAL)

VERSION = "13"
"""The only version of the protocol there is (RFC 6455 section 4.4)."""

MAX_SESSION_ID = 256
"""Characters of a session_id; clients send UUIDs."""


MAX_REPLAY_DIGITS = 9
"""Of a number of messages; Python takes long over converting very long ones."""


@dataclass(frozen=True)
class Accepted:
    """A websocket that may open: ``answer`` is the 101 response as bytes.

    A client that named no session_id cannot come back to one, so its session is not resumable.
    """

    answer: bytes
    codec: Codec
    session_id: str
    resumable: bool
    replay: int = 0


def accept(request: Request, policy: AccessPolicy) -> Accepted:
    """Decide on an upgrade request; raises :class:`~w2z.errors.HttpError`."""
    choice = choose(request.header_list("sec-websocket-protocol"))
    policy.check(request, choice.token)
    named = request.query.get("session_id", [""])[0]
    if len(named) > MAX_SESSION_ID:
        raise HttpError(400, f"the session_id is longer than {MAX_SESSION_ID} characters")
    asked = WebsocketRequest(
        request.target,
        _handshake_headers(request),
        request.method,
        f"HTTP/{request.http_version}",
    )
    version = request.header("sec-websocket-version")
    if version not in (None, VERSION):
        raise HttpError(
            426,
            f"websocket version {version} is not spoken here",
            {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION},
        )
    response = ServerProtocol(logger=PROTOCOL_LOG).accept(asked)
    if response.status_code != 101:
        headers = {
            name: value for name, value in response.headers.raw_items() if name in _REFUSAL_HEADERS
        }
        raise HttpError(response.status_code, bytes(response.body).decode().strip(), headers)
    if choice.answer is not None:
        response.headers["Sec-WebSocket-Protocol"] = choice.answer
    return Accepted(
        bytes(response.serialize()),
        choice.codec,
        named or uuid.uuid4().hex,
        bool(named),
        _replay(request.query.get("replay", ["0"])[0]),
    )


def _handshake_headers(request: Request) -> Headers:
    """The headers of the opening handshake. Others are none of its business, whatever they hold.

    Raises :class:`~w2z.errors.HttpError` (400) for one that no header may be like.
    """
    headers = Headers()
    for name, value in request.headers:
        if name in _HANDSHAKE_HEADERS or name.startswith("sec-websocket-"):
            try:
                headers[name] = value
            except InvalidHeaderValue:
                raise HttpError(400, f"the {name} header has control characters in it") from None
    return headers


def _replay(text: str) -> int:
    """How many messages a newcomer asks for."""
    if text == "all":
        return sys.maxsize
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_REPLAY_DIGITS):
        raise HttpError(400, "replay has to be a number of messages, or 'all'")
    return int(text)


_HANDSHAKE_HEADERS = frozenset({"connection", "upgrade"})

_REFUSAL_HEADERS = frozenset({"Upgrade", "Allow"})

"""The opening handshake: accepts an upgrade request, or rejects it with an HTTP error.

A fault of the request itself is found here, before the upgrade, the token first of all. The rules
of the opening handshake (RFC 6455 section 4.2) are checked by the ``websockets`` library.
"""

from __future__ import annotations

import logging
import sys
import uuid
from dataclasses import dataclass, field

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue
from websockets.http11 import Request as WebsocketRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol

from w2z.errors import HttpError, bare
from w2z.server.access.policy import AccessPolicy, principal_of
from w2z.server.acknowledgement import MAX_POSITION_DIGITS
from w2z.server.request import Request, shown
from w2z.wire.payload import Codec
from w2z.wire.subprotocol import choose

# websockets logs whole requests and frames, and with them tokens and content: never log those.
PROTOCOL_LOG = logging.getLogger("w2z.protocol")
PROTOCOL_LOG.setLevel(logging.CRITICAL)

VERSION = "13"
"""The only version of the websocket protocol (RFC 6455 section 4.4)."""

MAX_SESSION_ID = 256
"""Characters that a session_id may have; clients send UUIDs."""


MAX_REPLAY_DIGITS = 9
"""Digits that ``?replay=N`` may have, because Python converts very long numbers slowly."""


@dataclass(frozen=True)
class Accepted:
    """A websocket that may open. ``response`` is the 101 response.

    A client that sent no session_id gets a random one, and its session is not resumable. ``replay``
    is the number of messages that a newcomer asks for; a client that resumes its session has
    ``received`` everything before that position. ``token`` is the one that opened it, if one is
    needed. The session has to be the ``principal``'s.
    """

    response: Response
    codec: Codec
    session_id: str
    resumable: bool
    replay: int = 0
    received: int = 0
    token: str | None = field(default=None, repr=False)
    principal: str | None = None


def accept(request: Request, policy: AccessPolicy) -> Accepted:
    """Accept an upgrade request; raises :class:`~w2z.errors.HttpError` for one to reject."""
    choice = choose(request.header_list("sec-websocket-protocol"))
    token = policy.check(request, choice.token)
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
            f"websocket version {shown(version)} is not spoken here",
            {"Upgrade": "websocket", "Sec-WebSocket-Version": VERSION},
        )
    protocol = ServerProtocol(logger=PROTOCOL_LOG)
    response = protocol.accept(asked)
    if protocol.handshake_exc is not None:
        bare(protocol.handshake_exc)  # which its frames refer to
    if response.status_code != 101:
        headers = {
            name: value for name, value in response.headers.raw_items() if name in _REFUSAL_HEADERS
        }
        # Without the value of the header, which may be long.
        told, is_quoted, _ = bytes(response.body).decode().strip().partition(" header: ")
        raise HttpError(response.status_code, f"{told} header" if is_quoted else told, headers)
    if choice.answer is not None:
        response.headers["Sec-WebSocket-Protocol"] = choice.answer
    return Accepted(
        response,
        choice.codec,
        named or uuid.uuid4().hex,
        bool(named),
        _replay(request.query.get("replay", ["0"])[0]),
        _received(request.query.get("received", ["0"])[0]),
        token,
        principal_of(token),
    )


def _handshake_headers(request: Request) -> Headers:
    """Return the headers that the opening handshake uses; the others are not even checked.

    Raises :class:`~w2z.errors.HttpError` (400) for a value that no header may have.
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
    """Return how many messages a newcomer asks for; raises HttpError (400) for other text."""
    if text == "all":
        return sys.maxsize
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_REPLAY_DIGITS):
        raise HttpError(400, "replay has to be a number of messages, or 'all'")
    return int(text)


def _received(text: str) -> int:
    """Return the position before which the client has all; HttpError (400) for other text."""
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_POSITION_DIGITS):
        raise HttpError(400, "received has to be the number in the last ping")
    return int(text)


_HANDSHAKE_HEADERS = frozenset({"connection", "upgrade"})

_REFUSAL_HEADERS = frozenset({"Upgrade", "Allow"})

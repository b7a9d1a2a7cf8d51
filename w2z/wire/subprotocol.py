"""What a client's ``Sec-WebSocket-Protocol`` asks for: a format, and perhaps a token.

The answer names the kernel subprotocol whenever the client offers it (browsers fail a handshake in
which they offered protocols and got none). JEP 121
(https://github.com/jupyter/enhancement-proposals/pull/121) lets a client that cannot set headers
put its token among the protocols, either as ``v1.token.websocket.jupyter.org.TOKEN`` or as the bare
name followed by the token in the next value. The answer never contains the token; it is the bare
name if that was offered and the kernel subprotocol was not. Two tokens count as none.

A subprotocol has few characters (RFC 6455 section 4.1), and base64 has others. So the token may be
percent-encoded, and a percent sign in it has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from w2z.wire.default import DefaultCodec
from w2z.wire.payload import Codec
from w2z.wire.v1 import SUBPROTOCOL, V1Codec

TOKEN_SUBPROTOCOL = "v1.token.websocket.jupyter.org"  # noqa: S105 (a name, not a secret)

V1 = V1Codec()
DEFAULT = DefaultCodec()


class Choice(NamedTuple):
    """The codec to use, the subprotocol to answer (or none), and a token if one was offered."""

    codec: Codec
    answer: str | None
    token: str | None


def choose(offered: Sequence[str]) -> Choice:
    """Choose among the subprotocols that a client offered, which are in the client's order."""
    token = _token(offered)
    if SUBPROTOCOL in offered:
        return Choice(V1, SUBPROTOCOL, token)
    if TOKEN_SUBPROTOCOL in offered:
        return Choice(DEFAULT, TOKEN_SUBPROTOCOL, token)
    return Choice(DEFAULT, None, token)


def _token(offered: Sequence[str]) -> str | None:
    prefix = TOKEN_SUBPROTOCOL + "."
    found = [name.removeprefix(prefix) for name in offered if name.startswith(prefix)]
    if not found and offered.count(TOKEN_SUBPROTOCOL) == 1:
        after = offered.index(TOKEN_SUBPROTOCOL) + 1
        found = [name for name in offered[after : after + 1] if name != SUBPROTOCOL]
    return unquote(found[0]) if len(found) == 1 else None

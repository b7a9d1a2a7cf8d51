"""One websocket to a w2z, from its TCP connection to its end (RFC 6455).

This module does the I/O. ``websockets`` knows the protocol, the :class:`WebsocketUser` what to do.
The order that matters: w2z takes a pong for the proof that all before its ping has arrived, so a
pong is written when the user has been handed all that came before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from w2z.client.remote import Remote

# websockets logs whole requests and frames, and with them tokens and content: never log those.
QUIET_LOG = logging.getLogger("w2z.protocol")
QUIET_LOG.setLevel(logging.CRITICAL)

NO_CLOSE = 1006
"""The code of a websocket that ended without a close frame (RFC 6455 section 7.1.5)."""

NORMAL = 1000
"""The code of a client that needs its websocket no more."""

CLOSE_WITHIN = 2.0
"""Seconds that the closing handshake may take."""

WRITE_AHEAD = 2**20
"""Bytes that wait in the transport when writing pauses."""

_CONTROL = (Opcode.PING, Opcode.PONG, Opcode.CLOSE)


class WebsocketUser(Protocol):
    """The object that uses a websocket. What it raises ends the websocket."""

    def opened(self, headers: Mapping[str, str], subprotocol: str | None) -> None:
        """Called once, first, when w2z has accepted."""

    def received(self, payloads: Sequence[bytes]) -> None:
        """Called with the payloads that came, in order; those of text are empty."""

    def pinged(self, data: bytes) -> None:
        """Called for a ping when all before it was handed on."""

    def ponged(self, data: bytes) -> None:
        """Called for a pong."""

    def heard(self) -> None:
        """Called when anything came."""

    def writable(self) -> None:
        """Called when the transport takes more."""

    def lost(self, failure: Exception | None) -> None:
        """Called once, last: with what the user raised, or what was wrong with the answer."""


class Websocket(asyncio.Protocol):
    """The client's end. Pass it to :func:`~w2z.client.dial.dial`."""

    def __init__(self, remote: Remote, token: str | None, target: str, user: WebsocketUser) -> None:
        path, _, query = target.partition("?")
        uri = WebSocketURI(remote.is_secure, remote.host, remote.port, path, query)
        offered = [Subprotocol(one) for one in remote.subprotocols(token)]
        self._protocol = ClientProtocol(uri, subprotocols=offered, max_size=None, logger=QUIET_LOG)
        self._request = self._protocol.connect()
        self._request.headers.update(remote.websocket_headers(token))
        self._user = user
        self._transport: asyncio.Transport | None = None
        self._fragments: list[bytes] = []
        self._failure: Exception | None = None
        self._is_reading = False
        self._is_held = False
        self._is_full = False
        self._is_lost = False

    @property
    def is_writable(self) -> bool:
        """Whether :meth:`send` may be called: the websocket is open, and little waits."""
        return self._protocol.state is State.OPEN and not self._is_full and not self._is_lost

    @property
    def close_code(self) -> int:
        """The code with which w2z closed; 1006 if it did not."""
        received = self._protocol.close_rcvd
        return NO_CLOSE if received is None else int(received.code)

    @property
    def close_reason(self) -> str:
        """What w2z said when it closed."""
        received = self._protocol.close_rcvd
        return "" if received is None else received.reason

    def send(self, payload: bytes) -> None:
        """Queue a binary message; call :meth:`flush` behind the last one."""
        self._protocol.send_binary(payload)

    def ping(self, data: bytes) -> None:
        """Queue a ping."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(data)

    def flush(self) -> None:
        """Write what is queued, unless received messages are being handed on: then afterwards."""
        transport = self._transport
        if transport is None or self._is_reading:
            return
        data = self._protocol.data_to_send()
        if data and not transport.is_closing():
            transport.write(b"".join(data))

    def hold(self, *, is_held: bool) -> None:
        """Stop reading, or go on."""
        self._is_held = is_held
        if self._transport is not None and not self._transport.is_closing():
            if is_held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """Begin the closing handshake, or end a connection that is not open."""
        if self._transport is None:
            return
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(NORMAL)
            self.flush()
            self.hold(is_held=False)
            asyncio.get_running_loop().call_later(CLOSE_WITHIN, self.abort)
        else:
            self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the opening handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_AHEAD)
        self._protocol.send_request(self._request)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand on what came, then write the pongs."""
        self._protocol.receive_data(data)
        self._take()

    def eof_received(self) -> None:
        """Take note of the end: what is there is all that comes."""
        self._protocol.receive_eof()
        self._take()

    def pause_writing(self) -> None:
        """Let the user wait."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let the user go on."""
        self._is_full = False
        self._user.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user, with the fault that was found, or the network's."""
        self._is_lost = True
        if self._protocol.state is State.CONNECTING and self._failure is None:
            if not self._protocol.reader.eof:
                self._protocol.receive_eof()
            self._failure = self._protocol.handshake_exc or exc
        self._user.lost(self._failure)

    def _take(self) -> None:
        self._is_reading = True
        try:
            self._user.heard()
            self._hand_on(self._protocol.events_received())
        except Exception as error:  # noqa: BLE001 (raised again by the user's task)
            self._failure = error
            self.abort()
        finally:
            self._is_reading = False
        self.flush()
        if self._protocol.handshake_exc is not None:
            self._failure = self._protocol.handshake_exc
            self.abort()
        elif self._protocol.state is not State.OPEN and self._transport is not None:
            # The close frame is answered; w2z ends the connection first, unless it is gone.
            asyncio.get_running_loop().call_later(CLOSE_WITHIN, self._transport.abort)

    def _hand_on(self, events: Sequence[object]) -> None:
        payloads: list[bytes] = []
        for event in events:
            if isinstance(event, Frame) and event.opcode not in _CONTROL:
                payloads += self._payload(event)
                continue
            if payloads:
                self._user.received(payloads)
                payloads = []
            if isinstance(event, Response):
                if self._protocol.handshake_exc is None:
                    self._user.opened(event.headers, self._protocol.subprotocol)
            elif isinstance(event, Frame) and event.opcode is Opcode.PING:
                self._user.pinged(bytes(event.data))
            elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self._user.ponged(bytes(event.data))
        if payloads:
            self._user.received(payloads)

    def _payload(self, frame: Frame) -> list[bytes]:
        data = bytes(frame.data)
        if frame.fin and not self._fragments:
            return [data]
        self._fragments.append(data)
        if not frame.fin:
            return []
        whole, self._fragments = b"".join(self._fragments), []
        return [whole]

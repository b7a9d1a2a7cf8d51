"""A client of the bridge: passes payloads between the bridge and one websocket.

How a client ends:

- Whichever side closes, all requests received before that still go to the kernel, in order. If
  the kernel takes none just then, the close is answered at once and the requests wait without the
  connection; :mod:`w2z.bridge.fanout` says how long.
- A fault closes the connection with its own code, even if a close frame was received behind it.
  Everything received behind the fault is dropped.

While the kernel takes no requests, the client is read from until more than :data:`READ_AHEAD` bytes
wait, so that its pings are answered and its close is seen.
"""

from __future__ import annotations

import logging

from w2z.bridge.admission import check
from w2z.bridge.bridge import Bridge
from w2z.bridge.client import Then
from w2z.errors import ClientError, CloseCode
from w2z.message import Author, Buffer, Request
from w2z.server.access_log import websocket_ended
from w2z.server.backpressure import Reason
from w2z.server.connections import Connection
from w2z.server.frame_reader import Payload
from w2z.server.handshake import Accepted
from w2z.server.pings import now
from w2z.server.upstream import Upstream
from w2z.server.websocket import Websocket
from w2z.settings import Settings

log = logging.getLogger("w2z")


IN_GOOD_ORDER = (1000, 1001)
"""Close codes of a client that is done, and of a page that is left (RFC 6455 section 7.4.1)."""

READ_AHEAD = 2**16
"""Bytes of requests that may wait for the kernel while the client is read from: many requests
that people type, few that programs send.
"""


class WebsocketClient:
    """The bridge's :class:`~w2z.bridge.client.Client`, and the
    :class:`~w2z.server.websocket.User` of its :attr:`websocket`.
    """

    def __init__(
        self, bridge: Bridge, settings: Settings, accepted: Accepted, connection: Connection
    ) -> None:
        self.codec = accepted.codec
        self.principal = accepted.principal
        self._bridge = bridge
        self._clients = bridge.clients
        self._accepted = accepted
        self._session_id = accepted.session_id
        self._connection = connection
        self._author = Author(connection.peer, accepted.principal)
        self._upstream: Upstream[Request] = Upstream(self._to_kernel)
        self._has_left = False
        self._is_replaced = False
        self._acknowledged = 0
        self._is_alone = False
        """Whether it has acknowledged output since it last sent anything of its own."""
        self._since = now()
        self.websocket = Websocket(
            connection, settings, self, bridge.holdings, resumable=accepted.resumable
        )

    # Client

    @property
    def writable(self) -> bool:
        return self.websocket.writable

    @property
    def waiting(self) -> int:
        return self._upstream.waiting

    def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
        self.websocket.write(frames, then)

    def is_gone(self) -> bool:
        return self.websocket.is_gone()

    def close(self, code: CloseCode, reason: str) -> None:
        self._is_replaced |= code is CloseCode.REPLACED
        self.websocket.close(code, reason)

    def retry(self) -> None:
        if not self.waiting:
            return
        with self._connection.boundary:
            # Before reading resumes: that nothing came from the peer until now proves nothing.
            self.websocket.keep()
            try:
                self._upstream.retry()
            except ClientError as error:
                self._refuse(error)
            self._read_or_not()
        if self._has_left and not self.waiting:
            self._clients.heard(self._session_id, self)

    # User

    @property
    def position(self) -> int:
        return self._clients.position(self._session_id)

    def opened(self) -> None:
        self._clients.attach(
            self._session_id,
            self,
            resumable=self._accepted.resumable,
            replay=self._accepted.replay,
            received=self._accepted.received,
            status=self._bridge.newcomer_status(),
        )

    def said(self, payload: Payload) -> None:
        self._is_alone = False
        try:
            request = self.codec.decode(payload.data, payload.is_text)
            check(request)
            if self._bridge.audit is not None:
                request = request._replace(author=self._author)
            self._upstream.add(request, len(payload.data))
        except ClientError as error:
            self._refuse(error)
        self._read_or_not()

    def has_read(self, position: int) -> None:
        self._is_alone |= position > self._acknowledged
        self._acknowledged = max(self._acknowledged, position)
        self._clients.acknowledge(self._session_id, self, position)

    def stalled(self) -> None:
        self._clients.stalled(self._session_id, self)

    def flows(self) -> None:
        self._clients.flow(self._session_id, self)

    def left(self) -> None:
        self._has_left = True
        has_closed = self.websocket.close_code in IN_GOOD_ORDER
        self._clients.detach(self._session_id, self, has_closed=has_closed)
        self._read_or_not()

    def closed(self, code: int, sent: int) -> None:
        self._bridge.counts.closed(code)
        if self._is_replaced and self._is_alone and self.websocket.has_answered_close:
            # It may have been a proxy or a server that ends websockets, with nobody behind it.
            self._bridge.read_by_another(self._session_id)
        seconds, received = now() - self._since, self._connection.received
        websocket_ended(self._author, self._session_id, code, seconds, received=received, sent=sent)

    # To the kernel

    def _to_kernel(self, request: Request) -> bool:
        # Requests of clients that left the session earlier go first.
        is_next = self._clients.is_next(self._session_id, self)
        return is_next and self._bridge.to_kernel(self._session_id, request)

    def _refuse(self, error: ClientError) -> None:
        # Without the error's message, which quotes the client.
        log.info(
            "%s: closing a websocket with %d: %s",
            *(self._connection.peer, error.close_code, error.close_code.meaning),
        )
        self.websocket.refuse(error.close_code, str(error))

    def _read_or_not(self) -> None:
        """Read from the client unless too many bytes wait for the kernel; after it left, always."""
        if self.waiting > READ_AHEAD and not self._has_left:
            self._connection.reading.stop(Reason.KERNEL_IS_FULL)
        else:
            self._connection.reading.go_on(Reason.KERNEL_IS_FULL)

"""One HTTP/1.1 connection: requests in, responses out, until it closes or becomes a websocket.

h11 holds the protocol's state; this module does the I/O, the timeouts and the limits. It answers
one request at a time, and none while the peer does not read its responses. Requests that a client
pipelines meanwhile wait in the socket.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import cast

import h11

from w2z.errors import HttpError
from w2z.server.app import App
from w2z.server.backpressure import Reason
from w2z.server.connections import Connection
from w2z.server.handshake import Accepted
from w2z.server.request import Request, Response, error_response
from w2z.server.websocket import now
from w2z.server.websocket_client import WebsocketClient

log = logging.getLogger("w2z")

KEEP_ALIVE = 75.0
"""Seconds that an idle connection is kept: longer than the pools of common proxies keep one."""

LINGER = 2.0
"""Seconds that a peer has to read an error response before the connection is cut. Closing while
the peer still sends would reset the connection, and the response would be lost.
"""

REFUSALS = 64
"""Connections over the limit that get a 503. Further ones are cut: they cost files, too."""


class HttpConnection:
    """The HTTP stage: the first :class:`~w2z.server.connections.Stage` of every connection."""

    def __init__(self, app: App, connection: Connection) -> None:
        self._app = app
        self._connection = connection
        self._transport = connection.transport
        self._reading = connection.reading
        self._limits = app.settings
        self._http = h11.Connection(
            h11.SERVER, max_incomplete_event_size=self._limits.max_header_size
        )
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._finished = False
        self._is_between = False
        self._idle = False
        self._unsent = 0
        self._since = now()

    # Stage

    def begin(self) -> None:
        """Wait for a request; with too many connections open, respond with 503 or cut."""
        surplus = len(self._connection.connections) - self._limits.max_connections
        if surplus > REFUSALS:
            self._app.access_log.refused("no_room")
            self._transport.abort()
            return
        if surplus > 0:
            self._refuse(HttpError(503, "too many connections: try again later"))
            return
        self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self._finished:
            return
        if self._idle:
            self._idle = False
            self._since = now()
            self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)
        self._http.receive_data(data)
        self._advance()

    def eof_received(self) -> bool:
        """The peer closed its side: handle what it sent before."""
        if not self._finished:
            self._http.receive_data(b"")
            self._advance()
        # The write side stays open while responses are still to be written.
        return self._reading.is_stopped

    def connection_lost(self) -> None:
        """Do nothing: :meth:`_answer` drops its response when the transport is closing."""

    def pause_writing(self) -> None:
        """Read no requests while the peer reads its responses slowly; cut a peer that stops."""
        if not self._finished:
            self._reading.stop(Reason.PEER_READS_NOTHING)
            self._watch_unsent()

    def resume_writing(self) -> None:
        """The peer has read its responses: go on with its requests."""
        self._reading.go_on(Reason.PEER_READS_NOTHING)
        if not self._transport.is_closing():
            self._is_between = True
            self._advance()

    def shutdown(self) -> None:
        """Close now, or after the response that is being made."""
        if not self._reading.is_stopped_by(Reason.ANSWERING):
            self._close()

    def fail(self) -> None:
        """Respond with 500 if no response has begun, and close."""
        self._reading.go_on(Reason.ANSWERING)
        self._refuse(HttpError(500, "internal error: see the log of w2z"))

    # Requests

    def _advance(self) -> None:
        """Handle h11's events until one needs more data or a response that is being made."""
        while not (self._reading.is_stopped or self._finished or self._transport.is_closing()):
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(HttpError(error.error_status_hint, f"bad request: {error}"))
                return
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                if self._is_between:
                    self._wait_for_request()
                return
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                self._collect(event)
            elif isinstance(event, h11.EndOfMessage):
                self._end()
            else:
                # The peer closed. PAUSED comes only during a response, when this loop has ended.
                self._close()
                return

    def _wait_for_request(self) -> None:
        """Set the timer for the next request, or for the rest of one that has begun."""
        self._is_between = False
        # trailing_data copies its bytes: cheap here, where they are less than one request.
        self._idle = self._http.their_state is h11.IDLE and not self._http.trailing_data[0]
        if self._idle:
            self._connection.set_timer(KEEP_ALIVE, self._close)
        else:
            self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)

    def _begin(self, head: h11.Request) -> None:
        self._head = head
        self._since = now()
        self._body.clear()
        declared = dict(head.headers).get(b"content-length", b"0")
        # h11 limits incomplete heads only; a head that arrives in one piece is measured here.
        size = len(head.target) + sum(len(name) + len(value) for name, value in head.headers)
        if size > self._limits.max_header_size:
            limit = self._limits.max_header_size
            self._refuse(HttpError(431, f"the request head is larger than {limit} bytes"))
        elif int(declared) > self._limits.max_body_size:
            self._refuse_body()

    def _collect(self, event: h11.Data) -> None:
        self._body += event.data
        if len(self._body) > self._limits.max_body_size:
            self._refuse_body()

    def _refuse_body(self) -> None:
        limit = self._limits.max_body_size
        self._refuse(HttpError(413, f"the body is larger than {limit} bytes"))

    def _end(self) -> None:
        self._connection.set_timer(None)
        request = self._request()
        try:
            accepted = self._app.accept_websocket(request)
        except HttpError as error:
            response = self._app.with_cors(request, error_response(error))
            self._respond(response)
            return
        if accepted is not None:
            self._become_websocket(accepted)
            return
        self._reading.stop(Reason.ANSWERING)
        self._connection.spawn(self._answer(request))

    def _request(self) -> Request:
        head = cast(h11.Request, self._head)  # h11 gives the head before the EndOfMessage
        headers = tuple(
            (name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers
        )
        return Request(
            head.method.decode("ascii"),
            head.target.decode("latin-1"),
            headers,
            bytes(self._body),
            head.http_version.decode("ascii"),
        )

    async def _answer(self, request: Request) -> None:
        response = await self._app.answer(request)
        if not (self._finished or self._transport.is_closing()):
            self._respond(response)
        self._reading.go_on(Reason.ANSWERING)
        self._advance()

    # Answers

    def _respond(self, response: Response) -> None:
        """Write a response. The caller goes on with :meth:`_advance` to the next request."""
        self._write_response(response)
        if self._http.our_state is h11.MUST_CLOSE or self._connection.connections.closing:
            self._close()
            return
        self._http.start_next_cycle()
        self._head = None
        self._is_between = True

    def _write_response(self, response: Response) -> None:
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        if response.status != 204:
            headers.append(("content-length", str(len(response.body))))
        if response.close or self._connection.connections.closing:
            headers.append(("connection", "close"))
        reason = HTTPStatus(response.status).phrase
        is_head = self._head is not None and self._head.method == b"HEAD"
        self._send(
            h11.Response(status_code=response.status, headers=headers, reason=reason),
            h11.Data(data=b"" if is_head else response.body),
            h11.EndOfMessage(),
        )
        self._log(response, 0 if is_head else len(response.body))

    def _log(self, response: Response, size: int) -> None:
        request = None
        if self._head is not None:
            target = self._head.target.decode("latin-1")
            request = Request(self._head.method.decode("ascii"), target)
        peer, seconds = self._connection.peer, now() - self._since
        self._app.access_log.answered(peer, request, response, size, seconds)

    def _send(self, *events: h11.Event) -> None:
        """Write the events in one piece: one packet, where they fit."""
        self._transport.write(b"".join(self._http.send(event) or b"" for event in events))

    def _refuse(self, error: HttpError) -> None:
        """Respond with an error after which the connection cannot go on, and close."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = error_response(error, close=True)
            if self._head is not None:
                response = self._app.with_cors(self._request(), response)
            self._write_response(response)
        self._finished = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._connection.set_timer(LINGER, self._transport.abort)

    def _too_slow(self) -> None:
        if self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
            # No byte of a request: a load balancer's check, or a browser's spare connection.
            self._close()
            return
        seconds = self._limits.handshake_timeout
        self._refuse(HttpError(408, f"the request was not complete after {seconds:g} seconds"))

    # The end

    def _close(self) -> None:
        """Close when the peer has taken all that was written; cut a peer that takes nothing."""
        self._transport.close()
        self._watch_unsent()

    def _watch_unsent(self) -> None:
        """Cut a peer that takes none of the unsent bytes within ``timing.unread`` seconds."""
        self._unsent = self._transport.get_write_buffer_size()
        self._connection.set_timer(self._app.bridge.kernel.timing.unread, self._look_at_unsent)

    def _look_at_unsent(self) -> None:
        if self._transport.get_write_buffer_size() == self._unsent:
            self._transport.abort()
        else:
            self._watch_unsent()

    # Upgrade

    def _become_websocket(self, accepted: Accepted) -> None:
        # Before the write, which may call `pause_writing`: a websocket is read from all the same.
        self._finished = True
        trailing, _ = self._http.trailing_data
        # Before `become`, which may write frames of a session that is resumed or replayed.
        self._transport.write(accepted.answer)
        self._log(Response(101), 0)
        client = WebsocketClient(self._app.bridge, self._limits, accepted, self._connection)
        self._app.opened(client, accepted.token)
        self._connection.become(client.websocket)
        # Frames that came in one piece with the request.
        if trailing:
            client.websocket.data_received(trailing)

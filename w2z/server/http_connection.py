"""One HTTP/1.1 connection: requests in, responses out, until it closes or becomes a websocket.

:mod:`~w2z.server.exchange` speaks the protocol; this module does the I/O, the timeouts and the
limits. It answers one request at a time, and none while the peer does not read its responses.
Requests that a client pipelines meanwhile wait in the socket.

Whether a request may be answered is decided when its head is there. If not, it is refused then, no
byte of its body is kept, and the connection closes unless there is no body.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import h11

from w2z.errors import HttpError, TokenRefused, bare
from w2z.message import Author
from w2z.server.app import Admitted, App
from w2z.server.backpressure import Reason
from w2z.server.connections import Connection
from w2z.server.door import Door
from w2z.server.exchange import Exchange
from w2z.server.handshake import Accepted
from w2z.server.pings import now
from w2z.server.request import Request, Response, error_response
from w2z.server.unsent import Unsent
from w2z.server.websocket_client import WebsocketClient

log = logging.getLogger("w2z")

STRANGERS_KEEP_ALIVE = 5.0
"""Seconds that an idle connection of a stranger is kept: browsers and probes ask at once or anew.
"""

LINGER = 2.0
"""Seconds that a peer has to read an error response before the connection is cut. Closing while
the peer still sends would reset the connection, and the response would be lost.
"""


class HttpConnection:
    """The HTTP stage: the first :class:`~w2z.server.connections.Stage` of every connection."""

    def __init__(self, app: App, door: Door, connection: Connection) -> None:
        self._app = app
        self._door = door
        self._connection = connection
        self._transport = connection.transport
        self._reading = connection.reading
        self._limits = app.settings
        self._exchange = Exchange(self._limits.max_header_size)
        self._admitted: Admitted | HttpError | None = None
        """What was decided on the request when its head was there."""
        self._finished = False
        self._is_between = False
        self._idle = False
        self._unsent = Unsent(connection, lambda: app.bridge.kernel.timing.unread)
        self._since = now()

    # Stage

    def begin(self) -> None:
        """Wait for a request. The longest idle stranger may lose its connection for this one."""
        self._visitor = self._door.arrive(self._connection)
        self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self._finished:
            return
        if self._idle:
            self._idle = False
            self._since = now()
            self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)
        self._exchange.receive(data)
        self._advance()

    def eof_received(self) -> bool:
        """The peer closed its side: handle what it sent before."""
        if not self._finished:
            self._exchange.receive_eof()
            self._advance()
        # The write side stays open while responses are still to be written.
        return self._reading.is_stopped

    def connection_lost(self) -> None:
        """Let go what was held. A response that is being made is dropped then."""
        self._drop()

    def pause_writing(self) -> None:
        """Read no requests while the peer reads its responses slowly; cut a peer that stops."""
        if not self._finished:
            self._reading.stop(Reason.PEER_READS_NOTHING)
            self._unsent.watch()

    def resume_writing(self) -> None:
        """The peer has read its responses: go on with its requests."""
        self._reading.go_on(Reason.PEER_READS_NOTHING)
        if not self._transport.is_closing():
            self._is_between = True
            self._advance()

    def shutdown(self) -> None:
        """Close now, or after the response that is being made."""
        if not self._reading.is_stopped_by(Reason.ANSWERING):
            self._unsent.close()

    def fail(self) -> None:
        """Respond with 500 if no response has begun, and close."""
        self._reading.go_on(Reason.ANSWERING)
        self._refuse(HttpError(500, "internal error: see the log of w2z"))

    # Requests

    def _advance(self) -> None:
        """Handle what has arrived until more is needed, or a response is being made."""
        try:
            while not (self._reading.is_stopped or self._finished or self._transport.is_closing()):
                event = self._exchange.next_event()
                if event is h11.NEED_DATA:
                    self._wait()
                    break
                self._handle(event)
        except HttpError as error:
            self._refuse(error)
        if not (self._finished or self._visitor.hold(self._exchange.held)):
            self._refuse(HttpError(503, "too many unfinished requests", {"Retry-After": "5"}))

    def _handle(self, event: object) -> None:
        if isinstance(event, h11.Request):
            self._begin(event)
        elif isinstance(event, h11.Data):
            self._collect(event)
        elif isinstance(event, h11.EndOfMessage):
            self._end()
        else:
            # The peer closed. PAUSED comes only during a response, when nothing is handled.
            self._unsent.close()

    def _wait(self) -> None:
        """Wait for the peer, which may wait for a word itself before it sends its body."""
        if word := self._exchange.to_continue():
            self._transport.write(word)
        if not self._is_between:
            return
        # For the next request, or for the rest of one that has begun.
        self._is_between = False
        self._idle = self._exchange.is_idle
        if self._idle:
            self._connection.set_timer(self._keep_alive, self._unsent.close)
        else:
            self._connection.set_timer(self._limits.handshake_timeout, self._too_slow)

    @property
    def _keep_alive(self) -> float:
        """Seconds until an idle connection closes. A trusted proxy sees to its own connections."""
        is_kept = self._visitor.is_known or self._visitor.is_proxy
        return self._limits.keep_alive if is_kept else STRANGERS_KEEP_ALIVE

    def _begin(self, head: h11.Request) -> None:
        """Decide on a request by its head. Raises HttpError for a head that is not understood."""
        self._since = now()
        size = self._exchange.begin(head)
        request = self._asked
        if size > self._limits.max_body_size:
            self._refuse_body()
            return
        self._visitor.asks(request)
        try:
            self._admitted = self._admit(request)
        except HttpError as error:
            # Kept for later; what was received is not.
            self._admitted = bare(error)
            if self._exchange.has_body:
                self._deny(error, close=True)

    def _admit(self, request: Request) -> Admitted:
        admitted = self._app.admit(request)
        if admitted.is_known and not self._visitor.know():
            raise HttpError(
                503,
                "too many connections: try again later",
                {"Retry-After": "5"},
                reason="no_room",
            )
        if self._exchange.has_body and not admitted.takes_body:
            raise HttpError(400, "bad request: what is asked for here is asked for without a body")
        return admitted

    def _collect(self, event: h11.Data) -> None:
        self._exchange.body += event.data
        if len(self._exchange.body) > self._limits.max_body_size:
            self._refuse_body()

    def _refuse_body(self) -> None:
        limit = self._limits.max_body_size
        self._refuse(HttpError(413, f"the body is larger than {limit} bytes"))

    def _end(self) -> None:
        self._connection.set_timer(None)
        request, admitted = self._asked, self._admitted
        if isinstance(admitted, HttpError):
            # A proxy may believe that what follows is a websocket's: nothing may follow.
            self._deny(admitted, close=request.header("upgrade") is not None)
        elif admitted is not None and admitted.websocket is not None:
            self._become_websocket(admitted.websocket)
        elif admitted is not None:
            whole = replace(request, body=bytes(self._exchange.body))
            self._reading.stop(Reason.ANSWERING)
            self._connection.spawn(self._answer(whole, admitted))

    @property
    def _asked(self) -> Request:
        if self._exchange.request is None:
            raise RuntimeError("h11 gives the head first")
        return self._exchange.request

    # Answers

    async def _answer(self, request: Request, admitted: Admitted) -> None:
        response = await self._app.answer(request, admitted)
        if request.header("upgrade") is not None:
            response = replace(response, close=True)
        if not (self._finished or self._transport.is_closing()):
            self._respond(response)
        self._reading.go_on(Reason.ANSWERING)
        self._advance()

    def _deny(self, error: HttpError, *, close: bool) -> None:
        """Answer a request that is refused, later if its peer failed to show a token often."""
        seconds = self._visitor.refuse(error) if isinstance(error, TokenRefused) else 0.0
        if close:
            # Before the wait: what has come of the body already is not kept for it.
            self._drop()
        self._connection.set_timer(None)
        self._reading.stop(Reason.ANSWERING)
        # Never at once: thousands of refused requests in one piece would hold everybody up.
        self._connection.spawn(self._deny_later(error, seconds, close=close))

    async def _deny_later(self, error: HttpError, seconds: float, *, close: bool) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        if not (self._finished or self._transport.is_closing()):
            if close:
                self._refuse(error)
            else:
                self._respond(self._app.with_cors(self._asked, error_response(error)))
        self._reading.go_on(Reason.ANSWERING)
        self._advance()

    def _respond(self, response: Response) -> None:
        """Write a response. The caller goes on with :meth:`_advance` to the next request."""
        self._write(response)
        self._visitor.served()
        if self._exchange.must_close:
            self._unsent.close()
            return
        self._exchange.start_next()
        self._admitted = None
        self._is_between = True

    def _write(self, response: Response) -> None:
        if self._connection.connections.closing:
            response = replace(response, close=True)
        self._transport.write(self._exchange.to_respond(response, keep_alive=self._keep_alive))
        asked = self._exchange.request
        is_head = asked is not None and asked.method == "HEAD"
        self._log(response, 0 if is_head else len(response.body))

    def _log(self, response: Response, size: int) -> None:
        admitted, seconds = self._admitted, now() - self._since
        principal = admitted.principal if isinstance(admitted, Admitted) else None
        author = Author(self._connection.peer, principal)
        self._app.access_log.answered(author, self._exchange.request, response, size, seconds)

    def _refuse(self, error: HttpError) -> None:
        """Respond with an error after which the connection cannot go on, and close."""
        if self._exchange.may_respond:
            response = error_response(error, close=True)
            if self._exchange.request is not None:
                response = self._app.with_cors(self._exchange.request, response)
            self._write(response)
        self._finished = True
        self._drop()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._connection.set_timer(LINGER, self._transport.abort)

    def _too_slow(self) -> None:
        if self._exchange.is_idle:
            # No byte of a request: a load balancer's check, or a browser's spare connection.
            self._unsent.close()
            return
        seconds = self._limits.handshake_timeout
        self._refuse(HttpError(408, f"the request was not complete after {seconds:g} seconds"))

    def _drop(self) -> None:
        """Drop what was received and not answered."""
        self._exchange.drop()
        self._visitor.hold(0)

    # Upgrade

    def _become_websocket(self, accepted: Accepted) -> None:
        # Before the write, which may call `pause_writing`: a websocket is read from all the same.
        self._finished = True
        trailing = self._exchange.rest()
        self._drop()
        # Before `become`, which may write frames of a session that is resumed or replayed.
        self._transport.write(accepted.response.serialize())
        self._log(Response(101), 0)
        client = WebsocketClient(self._app.bridge, self._limits, accepted, self._connection)
        self._app.opened(client, accepted.token)
        self._connection.become(client.websocket)
        # Frames that came in one piece with the request.
        if trailing:
            client.websocket.data_received(trailing)

"""HTTP/1.1 as it is spoken on one connection: bytes to events, responses to bytes; no I/O.

h11 holds the state of the protocol, and gets only what :mod:`~w2z.server.incoming` lets through.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus

import h11

from w2z.errors import HttpError, bare
from w2z.server.answers import headers_of
from w2z.server.incoming import Incoming, body_of
from w2z.server.request import Request, Response

CONTINUE = h11.InformationalResponse(status_code=100, headers=[])

_QUOTE = re.compile(r":? (bytearray\()?b?['\"].*", re.DOTALL)

Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Exchange:
    """The requests and responses of one connection, which take turns.

    ``request`` is the one whose head came last, until its response was made.
    """

    def __init__(self, max_head: int) -> None:
        self.request: Request | None = None
        self.body = bytearray()
        """What has come of its body."""
        self.has_body = False
        """Whether the request has one."""
        self._incoming = Incoming(max_head)
        self._http = h11.Connection(h11.SERVER)
        self._has_ended = False

    @property
    def held(self) -> int:
        """Bytes that were received and not answered."""
        return self._incoming.held + len(self.body)

    @property
    def is_idle(self) -> bool:
        """Whether there is no byte of a request."""
        return self._http.their_state is h11.IDLE and not self._incoming.held

    @property
    def may_respond(self) -> bool:
        """Whether no response has begun, even if no request has."""
        return self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    @property
    def must_close(self) -> bool:
        """Whether no request may follow the last one."""
        return self._http.our_state is h11.MUST_CLOSE

    # What comes.

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer."""
        self._incoming.add(data)

    def receive_eof(self) -> None:
        """The peer sends no more."""
        self._has_ended = True

    def next_event(self) -> Event:
        """Return the next event; h11's ``NEED_DATA`` if more has to come for it.

        Raises :class:`~w2z.errors.HttpError` for what is no request.
        """
        try:
            event = self._http.next_event()
            while event is h11.NEED_DATA:
                data = self._incoming.take()
                if not (data or self._has_ended):
                    return event
                self._http.receive_data(data)
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            # h11 raised it anew, so that one of its frames refers to it.
            # Without what it quotes: that may be a header's value.
            told = _QUOTE.sub("", str(bare(error)))
            raise HttpError(error.error_status_hint, f"bad request: {told}") from None
        return event

    def begin(self, head: h11.Request) -> int:
        """Make ``head`` the request; return the size of its body, as far as that is said.

        Raises :class:`~w2z.errors.HttpError` for a body or a version that is not understood.
        """
        self.request = _request(head)
        self.body = bytearray()
        body = body_of(list(head.headers), self.request.http_version)
        self.has_body = not body.is_complete
        self._incoming.expect(body)
        return body.size

    def rest(self) -> bytes:
        """Return what was received behind the last request."""
        return self._incoming.rest()

    def drop(self) -> None:
        """Drop all that was received and not answered."""
        self._incoming.clear()
        self.body = bytearray()

    # What goes.

    def to_continue(self) -> bytes:
        """Return what tells a peer to send its body, if it waits for that."""
        if not self._http.they_are_waiting_for_100_continue:
            return b""
        return self._http.send(CONTINUE) or b""

    def to_respond(self, response: Response, *, keep_alive: float) -> bytes:
        """Return a response in one piece: one packet, where it fits.

        ``keep_alive`` are the seconds that the connection is kept after it, if it is.
        """
        asked = self.request
        closes = response.close or (asked is not None and asked.wants_close)
        date = formatdate(usegmt=True)
        headers = headers_of(response, date, keep_alive=None if closes else keep_alive)
        reason = HTTPStatus(response.status).phrase
        has_no_body = asked is not None and asked.method == "HEAD"
        events = (
            h11.Response(status_code=response.status, headers=headers, reason=reason),
            h11.Data(data=b"" if has_no_body else response.body),
            h11.EndOfMessage(),
        )
        return b"".join(self._http.send(event) or b"" for event in events)

    def start_next(self) -> None:
        """The request was answered: the next one may come."""
        self._http.start_next_cycle()
        self.request = None
        self.has_body = False
        self.body = bytearray()


def _request(head: h11.Request) -> Request:
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
    method, target = head.method.decode("ascii"), head.target.decode("latin-1")
    return Request(method, target, headers, b"", head.http_version.decode("ascii"))

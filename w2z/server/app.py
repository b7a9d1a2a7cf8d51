"""The application behind all connections: admits HTTP requests, and answers those it admitted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

from w2z.bridge.bridge import Bridge
from w2z.errors import CloseCode, HttpError
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.process.specs import InstalledSpecs
from w2z.server.access.policy import AccessPolicy, principal_of
from w2z.server.access_log import AccessLog
from w2z.server.connections import Boundary
from w2z.server.handshake import Accepted, accept
from w2z.server.page import Page
from w2z.server.request import Request, Response, error_response, shown
from w2z.server.rest.api import Api
from w2z.server.routes import Route, Router
from w2z.server.websocket_client import WebsocketClient
from w2z.settings import Settings

log = logging.getLogger("w2z")


@dataclass(frozen=True)
class Admitted:
    """A request that may be answered, as its head tells.

    ``is_known`` says that it presented a right token, or opens a websocket where none is needed;
    ``takes_body`` that it may have a body, which is never a stranger's. ``principal`` is whose
    request it is, as its token says. A ``websocket`` opens in place of an answer.
    """

    respond: Callable[[Request], Awaitable[Response]]
    is_known: bool = False
    takes_body: bool = False
    principal: str | None = None
    websocket: Accepted | None = None


class App:
    """The HTTP application for one bridge and its keeper, guarded by one access policy.

    ``stop`` ends w2z; a client can cause that only with ``--on-delete stop``.
    """

    def __init__(
        self,
        settings: Settings,
        bridge: Bridge,
        keeper: Keeper,
        policy: AccessPolicy,
        stop: Callable[[], None],
        *,
        specs: InstalledSpecs,
    ) -> None:
        self.settings = settings
        self.bridge = bridge
        self._policy = policy
        # A defect in a handler does not end the connection: `answer` responds with 500.
        self._boundary = Boundary(bridge.reports, lambda error: None)
        routes = [
            Route("GET", "/channels", self._upgrade_required),
            Route("GET", "/api/kernels/{kernel_id}/channels", self._upgrade_required),
            *Page(settings).routes(),
            *Api(settings, bridge, keeper, stop, specs=specs).routes(),
        ]
        self._router = Router(routes, settings.base_url)
        # Weak: a client that has left is dropped without a word.
        self._opened_with: WeakKeyDictionary[WebsocketClient, str] = WeakKeyDictionary()
        self.access_log = AccessLog(
            self._router, settings.base_url, bridge.kernel_id, bridge.counts
        )

    def admit(self, request: Request) -> Admitted:
        """Decide on a request by its head, before its body is there.

        Raises :class:`~w2z.errors.HttpError` for a request that is refused: by its path, its
        method, its token, origin or host, or as a websocket. A websocket's client has to be
        attached before the caller yields to the event loop, so that there is still room for it.
        """
        # Before the token check: browsers send a CORS preflight without a token.
        if request.method == "OPTIONS":
            return Admitted(self._preflight)
        route, fields = self._router.find(request)
        respond = partial(route.handler, **fields)
        if request.wants_websocket and route.handler == self._upgrade_required:
            accepted = self._accept(request, fields)
            return Admitted(
                respond, is_known=True, principal=accepted.principal, websocket=accepted
            )
        principal = None
        if route.needs_token:
            principal = principal_of(self._policy.check(request))
        elif not route.is_probe:
            self._policy.check_open(request)
        # Where everybody may do everything, only websockets are worth a place of their own.
        is_known = route.needs_token and self._policy.token is not None
        return Admitted(
            respond, is_known=is_known, takes_body=route.needs_token, principal=principal
        )

    async def answer(self, request: Request, admitted: Admitted) -> Response:
        """Answer an admitted request. Every error becomes a response, too; a defect a 500."""
        response = error_response(HttpError(500, "internal error: see the log of w2z"))
        with self._boundary:
            try:
                response = await admitted.respond(request)
            except HttpError as error:
                response = error_response(error)
        return self.with_cors(request, response)

    def with_cors(self, request: Request, response: Response) -> Response:
        """Add the headers that let pages of allowed origins read the response, errors included."""
        cors = self._policy.cors_headers(request.header("origin"))
        return replace(response, headers={**response.headers, **cors})

    def _accept(self, request: Request, fields: dict[str, str]) -> Accepted:
        # `accept` checks the token: only clients that have it learn what the checks below say.
        accepted = accept(request, self._policy)
        self._check_id(fields)
        session_id, principal = accepted.session_id, accepted.principal
        if not self.bridge.clients.may_attach(session_id, principal):
            raise HttpError(403, "this session_id is somebody else's: use another one")
        if not self.bridge.clients.may_replace(session_id):
            raise HttpError(
                409,
                "another connection has taken this session_id over, and is alive: use another one",
                {"Retry-After": "1"},
                reason="session_in_use",
            )
        # The caller attaches the client before it yields to the event loop: the room stays free.
        if not self.bridge.clients.has_room(session_id, principal):
            raise HttpError(
                503,
                "every session is taken: try again later",
                {"Retry-After": "5"},
                reason="no_session",
            )
        headers = accepted.response.headers
        hub = self.bridge.clients.hub
        headers["W2Z-Session"] = "resumed" if session_id in hub else "new"
        # A client that never got the answer that said "new" finds out by this.
        began = int(self.bridge.started.timestamp() * 1e6)
        headers["W2Z-Session-Start"] = f"{began:x}-{hub.number_of(session_id)}"
        headers["W2Z-Kernel-Start"] = str(self.bridge.counts.kernels)
        return accepted

    def opened(self, client: WebsocketClient, token: str | None) -> None:
        """Called when a websocket was opened, with the token that it needed, if any."""
        if token is not None:
            self._opened_with[client] = token

    def close_revoked(self, valid: str | None) -> None:
        """Close each websocket that was opened with another token than the one ``valid`` now."""
        revoked = [client for client, token in self._opened_with.items() if token != valid]
        for client in revoked:
            del self._opened_with[client]
            client.close(CloseCode.TOKEN_REVOKED, "the token is not valid any more")
        if revoked:
            log.info("closed %d websockets that the last token had opened", len(revoked))

    async def _preflight(self, request: Request) -> Response:
        return Response(204, headers=self._policy.preflight_headers(request))

    async def _upgrade_required(self, request: Request, **fields: str) -> Response:
        self._check_id(fields)
        raise HttpError(426, "this is a websocket: connect with one", {"Upgrade": "websocket"})

    def _check_id(self, fields: dict[str, str]) -> None:
        asked = fields.get("kernel_id", self.bridge.kernel_id)
        if asked != self.bridge.kernel_id:
            raise HttpError(404, f"Kernel does not exist: {shown(asked)}")

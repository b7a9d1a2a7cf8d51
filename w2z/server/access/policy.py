"""Who may connect: checks the token, and the origin of the web page that sends a request.

A browser never sends the token by itself (there are no cookies). So a valid token is accepted from
any origin, unless ``strict_origin`` is set. Without a token, only the same-origin check keeps the
pages that a user visits away from the kernel, so the check is always made then; ``allow_origin``
names the exceptions.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from w2z.errors import HttpError
from w2z.server.request import Request
from w2z.settings import is_visible_ascii

_CORS_METHODS = "GET, PUT, POST, PATCH, DELETE, OPTIONS"
_CORS_HEADERS = "accept, content-type, authorization, x-xsrftoken"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class AccessPolicy:
    """The policy. ``token`` returns the token valid now, or ``None`` when none is; it is itself
    ``None`` for ``--no-auth``.
    """

    token: Callable[[], str | None] | None
    allow_origin: tuple[str, ...] = ()
    strict_origin: bool = False

    def check(self, request: Request, subprotocol_token: str | None = None) -> str | None:
        """Let the request pass, or raise :class:`~w2z.errors.HttpError` (401 or 403).

        Returns the token that it passed with; ``None`` where none is needed.

        A valid token in any of the possible places is enough: a proxy may use one of them for
        itself, and clients then use another.
        """
        if self.token is None or self.strict_origin:
            self._check_origin(request)
        if self.token is None:
            return None
        presented = _presented(request, subprotocol_token)
        if not presented:
            raise HttpError(
                401,
                "a token is needed: as 'Authorization: Bearer TOKEN', as ?token=TOKEN,"
                " or as a websocket subprotocol",
                {"WWW-Authenticate": 'Bearer realm="w2z"'},
            )
        token = self.token()
        # In constant time: the time taken does not show how much of a wrong token is right.
        if token is None or not any(
            hmac.compare_digest(one.encode(), token.encode()) for one in presented
        ):
            raise HttpError(403, "the token is not valid", reason="wrong_token")
        return token

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers that let pages of ``origin`` read a response; none if not allowed."""
        if origin is None or not self._is_allowed(origin):
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight_headers(self, request: Request) -> dict[str, str]:
        """Return the headers that answer a CORS preflight; none if its origin is not allowed."""
        headers = self.cors_headers(request.header("origin"))
        if headers:
            headers["Access-Control-Allow-Methods"] = _CORS_METHODS
            headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
            headers["Access-Control-Max-Age"] = "600"
            if request.header("access-control-request-private-network") == "true":
                headers["Access-Control-Allow-Private-Network"] = "true"
        return headers

    def _is_allowed(self, origin: str) -> bool:
        # Browsers send nothing but ASCII here, and an allowed origin goes into a response header.
        if not is_visible_ascii(origin):
            return False
        return origin in self.allow_origin or "*" in self.allow_origin

    def _check_origin(self, request: Request) -> None:
        origin = request.header("origin")
        if origin is None or self._is_allowed(origin):
            return
        host = request.header("host") or ""
        # Without a token, a page could make its own host name resolve to this address, and so be
        # of the same origin. So the host then has to be one that no DNS server can redirect.
        ours = self.token is not None or is_unmistakable(host)
        if not (ours and is_same_origin(origin, host)):
            raise HttpError(
                403,
                "requests from this origin are not allowed: see --allow-origin",
                reason="origin",
            )


def is_same_origin(origin: str, host: str) -> bool:
    """Whether ``Origin`` names the host and port of the ``Host`` header (RFC 6454).

    The scheme is not compared: behind a proxy that ends TLS the two differ.
    """
    try:
        asked = urlsplit(origin)
        default = _DEFAULT_PORTS[asked.scheme]
        here = urlsplit(f"//{host}")
        return (
            asked.hostname is not None
            and asked.hostname == here.hostname
            and (asked.port or default) == (here.port or default)
        )
    except (KeyError, ValueError):
        return False


def is_unmistakable(host: str) -> bool:
    """Whether a ``Host`` header is an address or localhost, which no DNS server can redirect."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _presented(request: Request, subprotocol_token: str | None) -> list[str]:
    found = [token for token in request.query.get("token", []) if token]
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if scheme.lower() in ("bearer", "token") and value.strip():
        found.append(value.strip())
    if subprotocol_token:
        found.append(subprotocol_token)
    return found

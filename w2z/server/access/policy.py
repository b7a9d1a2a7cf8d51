"""Who may connect: checks the token, and the origin and host of a web page's request.

A browser never sends the token by itself (there are no cookies). So a valid token is accepted from
any origin, unless ``strict_origin`` is set. Without a token, only the same-origin check keeps the
pages that a user visits away from the kernel, so the check is always made then; ``allow_origin``
names the exceptions. :mod:`~w2z.server.access.hosts` says what the host is checked for.

A place for a token holds one. Two tokens in one place count as none, so a request is one guess at
most for each place, and no proxy takes another one than w2z for the one that counts.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from w2z.errors import HttpError, TokenRefused
from w2z.server.access.hosts import Hosts, is_loopback
from w2z.server.request import Request
from w2z.settings import Settings
from w2z.values import DEFAULT_PORTS, is_visible_ascii

_CORS_METHODS = "GET, PUT, POST, PATCH, DELETE, OPTIONS"
TOKEN_HEADER = "x-w2z-token"  # noqa: S105 (a name)
"""The header for the token where a proxy keeps ``Authorization`` for itself, as that of Kubernetes
does.
"""

_CORS_HEADERS = ("accept", "content-type", "authorization", "x-xsrftoken", TOKEN_HEADER)
_MOST_HEADERS = 32
"""Headers that a preflight may ask for besides those that Jupyter's clients send."""
_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]{1,64}")


SHARED = "shared"
"""The principal of whoever has the token: all who have it are one. It is not made of the token,
because a session has to outlive a change of the token.
"""


def principal_of(token: str | None) -> str | None:
    """Return the principal of a request that passed with ``token``; ``None``: it needed none."""
    return None if token is None else SHARED


@dataclass(frozen=True)
class AccessPolicy:
    """The policy. ``token`` returns the token valid now, or ``None`` when none is; it is itself
    ``None`` for ``--no-auth``.

    ``hosts`` are the names of w2z, ``own_hosts`` those that may also be a page's own origin; with
    ``check_host`` a request without a right token has to be for one of them.
    """

    token: Callable[[], str | None] | None
    allow_origin: tuple[str, ...] = ()
    strict_origin: bool = False
    hosts: Hosts = field(default_factory=Hosts)
    own_hosts: Hosts = field(default_factory=Hosts)
    check_host: bool = False

    @classmethod
    def of(cls, settings: Settings, token: Callable[[], str | None] | None) -> AccessPolicy:
        """Return the policy that the settings describe."""
        host, allowed, origins = settings.host, settings.allow_host, settings.allow_origin
        return cls(
            token,
            origins,
            settings.strict_origin,
            Hosts.of(host, allowed, origins),
            Hosts.of(host, allowed),
            check_host=token is None or is_loopback(host),
        )

    def check_open(self, request: Request) -> None:
        """Let a request for what needs no token pass, or raise HttpError.

        If it is for a host that may not be w2z's, it needs a token all the same.
        """
        if self.check_host and not self.hosts.are_ours(request.header("host")):
            self.check(request)

    def check(self, request: Request, subprotocol_token: str | None = None) -> str | None:
        """Let the request pass, or raise :class:`~w2z.errors.HttpError` (401 or 403).

        Returns the token that it passed with; ``None`` where none is needed. It is a
        :class:`~w2z.errors.TokenRefused` if the token is what is missing or wrong.

        A valid token in any of the possible places is enough: a proxy may use one of them for
        itself, and clients then use another.
        """
        if self.token is None or self.strict_origin:
            self._check_origin(request)
        if self.token is None:
            self._check_host(request)
            return None
        presented = _presented(request, subprotocol_token)
        if not presented:
            raise TokenRefused(
                401,
                "a token is needed: as 'Authorization: Bearer TOKEN', as 'X-W2Z-Token: TOKEN',"
                " as ?token=TOKEN, or as a websocket subprotocol, and not twice in one of these",
                {"WWW-Authenticate": 'Bearer realm="w2z"'},
            )
        token = self.token()
        # In constant time: the time taken does not show how much of a wrong token is right.
        if token is None or not any(
            hmac.compare_digest(one.encode(), token.encode()) for one in presented
        ):
            raise TokenRefused(403, "the token is not valid", reason="wrong_token")
        return token

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers that let pages of ``origin`` read a response; none if not allowed."""
        if origin is None or not self._is_allowed(origin):
            return {}
        if "*" in self.allow_origin:
            # Never the origin itself: the answer is the same for all, the `null` of a sandbox too.
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight_headers(self, request: Request) -> dict[str, str]:
        """Return the headers that answer a CORS preflight; none if its origin is not allowed."""
        headers = self.cors_headers(request.header("origin"))
        if headers:
            headers["Access-Control-Allow-Methods"] = _CORS_METHODS
            headers["Access-Control-Allow-Headers"] = ", ".join(_headers_to_allow(request))
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
        ours = self.token is not None or self.own_hosts.are_ours(host)
        if not (ours and is_same_origin(origin, host)):
            raise HttpError(
                403,
                "requests from this origin are not allowed: see --allow-origin",
                reason="origin",
            )

    def _check_host(self, request: Request) -> None:
        if not self.hosts.are_ours(request.header("host")):
            raise HttpError(403, "requests for this host are not allowed: see --allow-host")


def is_same_origin(origin: str, host: str) -> bool:
    """Whether ``Origin`` names the host and port of the ``Host`` header (RFC 6454).

    The scheme is not compared: behind a proxy that ends TLS the two differ.
    """
    try:
        asked = urlsplit(origin)
        default = DEFAULT_PORTS[asked.scheme]
        here = urlsplit(f"//{host}")
        return (
            asked.hostname is not None
            and asked.hostname == here.hostname
            and (asked.port or default) == (here.port or default)
        )
    except (KeyError, ValueError):
        return False


def _headers_to_allow(request: Request) -> list[str]:
    """Return the headers that a preflight is told it may send: the usual ones, and its own."""
    asked = [name.lower() for name in request.header_list("access-control-request-headers")]
    more = [name for name in asked[:_MOST_HEADERS] if _HEADER_NAME.fullmatch(name)]
    return list(dict.fromkeys((*_CORS_HEADERS, *more)))


def _presented(request: Request, subprotocol_token: str | None) -> list[str]:
    """Return the token of each place that has one, and no more than one."""
    found = []
    match request.query.get("token"):
        case [str(token)] if token:
            found.append(token)
    match request.all_headers("authorization"):
        case [str(header)]:
            scheme, _, value = header.partition(" ")
            if scheme.lower() in ("bearer", "token") and value.strip():
                found.append(value.strip())
    match request.all_headers(TOKEN_HEADER):
        case [str(value)] if value.strip():
            found.append(value.strip())
    if subprotocol_token:
        found.append(subprotocol_token)
    return found

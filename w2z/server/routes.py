"""The routing table: finds the handler of an HTTP request by path first, then by method.

A path is compared as it was sent, segment by segment, and only what a route leaves open is decoded.
So the path that a proxy in front looked at is the one that is served: an encoded slash separates
nothing, and two slashes are not one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from w2z.errors import HttpError
from w2z.server.request import Request, Response, shown

Handler = Callable[..., Awaitable[Response]]
"""``async (request, **fields of the path) -> Response``; may raise HttpError."""

LONGEST_REDIRECTED = 2048
"""Characters of a target that is answered with another one."""

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """One line of the table. ``path`` may have ``{fields}``, each of them one path segment."""

    method: str
    path: str
    handler: Handler
    needs_token: bool = True
    is_probe: bool = False
    """Whether it is answered to anybody, whatever host was asked for."""


class Router:
    """Finds the route of an HTTP request below ``base_url``."""

    def __init__(self, routes: list[Route], base_url: str = "/") -> None:
        self._base_url = base_url.rstrip("/")
        self._base = [unquote(segment) for segment in self._base_url.split("/")]
        self._table: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        for path, methods in by_path.items():
            pattern = "".join(
                f"(?P<{piece}>[^/]+)" if index % 2 else re.escape(piece)
                for index, piece in enumerate(_FIELD.split(path))
            )
            self._table.append((re.compile(pattern + "/?"), methods))

    def find(self, request: Request) -> tuple[Route, dict[str, str]]:
        """Return the route of a request, and the decoded fields of its path.

        HEAD gets GET's route. Raises :class:`~w2z.errors.HttpError`: 404, 405 with Allow, or 308
        with Location where the path has too many slashes behind the base URL, or no slash at all.
        """
        path = self.below_base(request.path)
        for pattern, methods in self._table:
            match = pattern.fullmatch(path) if path is not None else None
            if match is None:
                continue
            method = "GET" if request.method == "HEAD" else request.method
            if method not in methods:
                allowed = sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])})
                raise HttpError(
                    405,
                    f"{shown(request.method)} is not allowed here",
                    {"Allow": ", ".join(allowed)},
                )
            fields = {name: unquote(value) for name, value in match.groupdict().items()}
            return methods[method], fields
        self._redirect(path, request)
        raise HttpError(404, "there is nothing at this path")

    def pattern(self, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the pattern that a path fits, whatever the method, and the path's fields."""
        below = self.below_base(path)
        for pattern, methods in self._table:
            match = pattern.fullmatch(below) if below is not None else None
            if match is not None:
                return next(iter(methods.values())).path, match.groupdict()
        return None

    def below_base(self, path: str) -> str | None:
        """Return ``path`` without the base URL, or ``None`` if it is not below the base URL."""
        segments = path.split("/")
        depth = len(self._base)
        # Encoded in another way it is the same base URL: proxies and clients differ in that.
        if len(segments) <= depth or [unquote(one) for one in segments[:depth]] != self._base:
            return None
        return "/" + "/".join(segments[depth:])

    def _redirect(self, path: str | None, request: Request) -> None:
        """Send a client to the path that it meant: one that joined a URL ending in a slash with a
        path, or one that left out the slash behind the base URL, which a page's links need.

        It is not served at once: what a proxy allows or denies by path has to see that path.
        """
        if path is None and self._base_url and self.below_base(request.path + "/") == "/":
            meant, fault = "", "there is no slash at the end of this path"
        elif path is not None and path.startswith("//"):
            meant, fault = path.lstrip("/"), "there are too many slashes in this path"
        else:
            return
        if len(request.target) > LONGEST_REDIRECTED:
            return
        if any(pattern.fullmatch("/" + meant) for pattern, _ in self._table):
            _, mark, query = request.target.partition("?")
            location = f"{self._base_url}/{meant}{mark}{query}"
            raise HttpError(308, fault, {"Location": location})

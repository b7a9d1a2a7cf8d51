"""The routing table: finds the handler of an HTTP request by path first, then by method."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from w2z.errors import HttpError
from w2z.server.request import Request, Response

Handler = Callable[..., Awaitable[Response]]
"""``async (request, **fields of the path) -> Response``; may raise HttpError."""

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """One line of the table. ``path`` may have ``{fields}``, each of them one path segment."""

    method: str
    path: str
    handler: Handler
    needs_token: bool = True


class Router:
    """Finds the route of an HTTP request below ``base_url``."""

    def __init__(self, routes: list[Route], base_url: str = "/") -> None:
        self._base = unquote(base_url).rstrip("/")
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
        """Return the route of a request, and the fields of its path.

        HEAD gets GET's route. Raises :class:`~w2z.errors.HttpError` (404, or 405 with Allow).
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
                    f"{request.method} is not allowed here",
                    {"Allow": ", ".join(allowed)},
                )
            return methods[method], match.groupdict()
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
        """Return ``path`` without the base URL, or ``None`` if it is not below the base URL.

        Several slashes behind the base URL count as one, because clients append ``/api`` to URLs
        that end in a slash.
        """
        if not path.startswith(self._base + "/"):
            return None
        return "/" + path[len(self._base) :].lstrip("/")

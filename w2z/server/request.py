"""HTTP requests and responses, apart from any connection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel

from w2z.errors import HttpError
from w2z.wire.json import dump

MAX_QUERY_FIELDS = 100
"""Fields that a query string may have; no client sends more than a handful."""

MAX_MESSAGE = 400
"""Characters of an error's message, whatever it quotes."""

MAX_SHOWN = 40
"""Characters of what a peer sent that are repeated to it: an id fits. A peer that sends much must
not be sent more.
"""


_WHOLE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""How a target begins that is a URL with a scheme (RFC 3986 section 3.1)."""


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are in lower case; the body is empty until all is there."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    http_version: str = "1.1"

    @cached_property
    def path(self) -> str:
        """The path as it was sent, also of an absolute-form target (RFC 9112 section 3.2.2).

        It is not decoded, because a decoded slash would be taken for one between two segments.
        """
        path = self.target.partition("?")[0]
        if found := _WHOLE_URL.match(path):
            path = "/" + path[found.end() :].partition("/")[2]
        return path

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query's fields, unknown ones included. Raises :class:`HttpError` (400)."""
        text = self.target.partition("?")[2]
        try:
            return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
        except ValueError:
            raise HttpError(400, f"the query has more than {MAX_QUERY_FIELDS} fields") from None

    def header(self, name: str) -> str | None:
        """Return the first header of that lower-case name, or ``None``."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> list[str]:
        """Return the values of all headers of that lower-case name."""
        return [value for key, value in self.headers if key == name]

    def header_list(self, name: str) -> list[str]:
        """Return the values of all headers of that name, split at commas (RFC 9110, 5.6.1)."""
        values = ",".join(self.all_headers(name)).split(",")
        return [value.strip() for value in values if value.strip()]

    @property
    def wants_close(self) -> bool:
        """Whether the connection ends with the answer (RFC 9112, 9.3), as in HTTP/1.0."""
        named = [value.lower() for value in self.header_list("connection")]
        return "close" in named or self.http_version == "1.0"

    @property
    def wants_websocket(self) -> bool:
        """Whether the client asks to upgrade to a websocket (RFC 6455 section 4.1)."""
        return "websocket" in [value.lower() for value in self.header_list("upgrade")]


@dataclass(frozen=True)
class Response:
    """An HTTP response; with ``close`` the connection closes after it.

    ``refused`` is the word for the reason of a refusal; the peer does not get it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False
    refused: str = ""


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """Return ``value`` as JSON."""
    fixed = {"Content-Type": "application/json"}
    return Response(status, dump(value), fixed | dict(headers))


def model_response(
    value: BaseModel | Sequence[BaseModel], status: int = 200, headers: Mapping[str, str] = {}
) -> Response:
    """Return one model, or several, as JSON, without fields that are ``None``."""
    if isinstance(value, BaseModel):
        return json_response(value.model_dump(exclude_none=True), status, headers)
    dumped = [one.model_dump(exclude_none=True) for one in value]
    return json_response(dumped, status, headers)


def error_response(error: HttpError, *, close: bool = False) -> Response:
    """Return an error in the shape that Jupyter's clients read."""
    message = error.message
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + "\u2026"
    answer = json_response({"message": message, "reason": None}, error.status, error.headers)
    return Response(answer.status, answer.body, answer.headers, close, error.reason)


def shown(text: str) -> str:
    """Return the beginning of what a peer sent, for a message to that peer."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "\u2026"

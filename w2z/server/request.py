"""HTTP requests and responses, apart from any connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel

from w2z.errors import HttpError
from w2z.wire.json import dump

MAX_QUERY_FIELDS = 100
"""Fields that a query string may have; no client sends more than a handful."""


@dataclass(frozen=True)
class Request:
    """An HTTP request whose body has arrived. Header names are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    http_version: str = "1.1"

    @cached_property
    def path(self) -> str:
        """The decoded path, also of an absolute-form target (RFC 9112 section 3.2.2)."""
        path = self.target.partition("?")[0]
        if not path.startswith("/") and "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        return unquote(path)

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

    def header_list(self, name: str) -> list[str]:
        """Return the values of all headers of that name, split at commas (RFC 9110, 5.6.1)."""
        values = ",".join(value for key, value in self.headers if key == name).split(",")
        return [value.strip() for value in values if value.strip()]

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
    """Return ``value`` as JSON. It is not to be cached: the state changes by the second."""
    fixed = {"Content-Type": "application/json", "Cache-Control": "no-store"}
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
    answer = json_response({"message": error.message, "reason": None}, error.status, error.headers)
    return Response(answer.status, answer.body, answer.headers, close, error.reason)

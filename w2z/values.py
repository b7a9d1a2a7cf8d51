"""What the text of a setting has to be: sizes, durations, origins, URLs and paths; no I/O."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from w2z import units

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""The ports that a URL of a scheme leaves out."""

_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(:(?P<port>\d{1,5}))?",
    re.ASCII,
)


def _bytes(value: object) -> object:
    """Read a size; raises PydanticCustomError for text that is none."""
    read = units.size(value) if isinstance(value, str) else value
    if read is None:
        raise PydanticCustomError("size", "has to be bytes, or like 64k, 256MiB or 1G")
    return read


def _seconds(value: object) -> object:
    """Read a duration; raises PydanticCustomError for text that is none."""
    read = units.seconds(value) if isinstance(value, str) else value
    if read is None:
        raise PydanticCustomError("duration", "has to be seconds, or like 500ms, 30s, 10m or 1h")
    return read


Bytes = Annotated[int, BeforeValidator(_bytes)]
Seconds = Annotated[float, BeforeValidator(_seconds)]


def is_visible_ascii(text: str) -> bool:
    """Whether ``text`` is visible ASCII, and so fits a header, a query and a subprotocol."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def normal_origin(text: str) -> str:
    """Return an origin as browsers send it (RFC 6454 section 6.2); ``*`` and ``null`` are kept.

    Raises :class:`ValueError` for what no browser ever sends, and so would never match.
    """
    if text in ("*", "null"):
        return text
    found = _ORIGIN.fullmatch(text.lower().removesuffix("/"))
    port = found and found["port"] and int(found["port"])
    if found is None or (port and port >= 2**16):
        raise ValueError("has to be like https://example.org or https://example.org:8443, or *")
    is_default = not port or port == DEFAULT_PORTS.get(found["scheme"])
    return f"{found['scheme']}://{found['host']}" + ("" if is_default else f":{port}")


def networks(text: str) -> list[str]:
    """Return the IP networks in a text, which has commas, spaces or both between them.

    Raises :class:`ValueError` for a word that is none.
    """
    try:
        return [str(ip_network(one)) for one in text.replace(",", " ").split()]
    except ValueError as error:
        raise ValueError(f"has to be a network such as 10.1.0.0/16: {error}") from None


def encoded_path(text: str) -> str:
    """Percent-encode ``text`` for the path of a URL and for headers; keep existing escapes."""
    return quote(text, safe="/%:@!$&'()*+,;=~", errors="surrogateescape")


def is_http_url(text: str) -> bool:
    """Whether ``text`` is the URL of an HTTP server, without parts that a log must not show.

    Such parts are a user, a query and a fragment.
    """
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return usable and is_visible_ascii(text) and not any(mark in text for mark in "@?#")

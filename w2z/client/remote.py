"""Where another w2z is, and how to be let in: its URL, the token, certificates, a proxy.

A token never is part of what this module shows: neither of a URL nor of an error.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from w2z.environment import value
from w2z.errors import RemoteSettingsError, RemoteTokenError
from w2z.small_files import read_small
from w2z.values import DEFAULT_PORTS, encoded_path, is_visible_ascii
from w2z.wire.subprotocol import TOKEN_SUBPROTOCOL
from w2z.wire.v1 import SUBPROTOCOL

MAX_TOKEN_FILE = 64 * 1024
"""Bytes of a token file; more cannot be a token and a comment."""

_UNQUOTED = "!#$&'*+-.^_`|~"
"""What a subprotocol may have beside letters and digits (RFC 9110 section 5.6.2), but ``%``."""

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_CHANNELS = re.compile(r"(?P<base>.*?)(/api/kernels/(?P<kernel_id>[^/]+))?(/channels)?/*")
_USABLE = "give http://HOST:PORT/BASE/ or https://..., as w2z prints it"


class TokenWay(StrEnum):
    """How the token travels, where something on the way keeps a header for itself.

    The Kubernetes API server, for one, takes ``Authorization`` out of what it passes on.
    """

    AUTHORIZATION = "authorization"
    X_W2Z_TOKEN = "x-w2z-token"  # noqa: S105 (a name, not a secret)
    SUBPROTOCOL = "subprotocol"
    """JEP 121; requests that open no websocket send ``X-W2Z-Token``."""


@dataclass(frozen=True)
class Remote:
    """One w2z elsewhere. Make it with :meth:`at`.

    ``path`` is the base path, without a slash at its end. With ``kernel_id`` only that kernel is
    meant; the short path means the one there is. ``proxy`` is the URL of an HTTP proxy; ``None``:
    what ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` say, and an empty text: none.
    """

    host: str
    port: int
    is_secure: bool
    path: str = ""
    kernel_id: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    token_way: TokenWay = TokenWay.AUTHORIZATION
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: str | None = field(default=None, repr=False)

    @classmethod
    def at(
        cls,
        url: str,
        *,
        token: str | None = None,
        token_file: str | Path | None = None,
        token_way: TokenWay | str = TokenWay.AUTHORIZATION,
        ca_file: str | Path | None = None,
        client_cert: str | Path | None = None,
        client_key: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the w2z at ``url``: as w2z prints it, perhaps with ``/channels`` behind it.

        A token is looked for in this order: ``token`` or ``token_file``, ``?token=`` of the URL,
        ``W2Z_TOKEN`` and ``W2Z_TOKEN_FILE`` of ``environment`` (by default the process's). The file
        is read at each connection. Raises :class:`~w2z.errors.RemoteSettingsError`.
        """
        parts, host, port = _parse(url)
        if token is not None and token_file is not None:
            raise RemoteSettingsError("a token and a token file: give one of them")
        if client_key is not None and client_cert is None:
            raise RemoteSettingsError("a client key needs its certificate: give that, too")
        if token is None and token_file is None:
            token, token_file = _found_token(
                parts, os.environ if environment is None else environment
            )
        if token is not None and not is_visible_ascii(token):
            raise RemoteSettingsError("the token has to be visible ASCII without spaces")
        found = _CHANNELS.fullmatch(encoded_path(parts.path))
        kernel_id = found and found["kernel_id"]
        return cls(
            host,
            port,
            _SECURE[parts.scheme],
            found["base"] if found else "",
            unquote(kernel_id) if kernel_id else None,
            token,
            _path(token_file),
            _way(token_way),
            _path(ca_file),
            _path(client_cert),
            _path(client_key),
            _checked(headers or {}),
            proxy,
        )

    @property
    def url(self) -> str:
        """The base URL, to show: without a token."""
        scheme = "https" if self.is_secure else "http"
        return f"{scheme}://{self.authority}{self.path}/"

    @property
    def authority(self) -> str:
        """Host and port as in a URL; the port only if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == DEFAULT_PORTS["https" if self.is_secure else "http"]
        return host if is_default else f"{host}:{self.port}"

    def websocket_target(self, session_id: str, received: int | None = None) -> str:
        """Return path and query of the websocket; ``received`` is the number of the last ping."""
        path = f"/api/kernels/{quote(self.kernel_id, safe='')}" if self.kernel_id else ""
        query = {"session_id": session_id}
        if received is not None:
            query["received"] = str(received)
        return f"{self.path}{path}/channels?{urlencode(query)}"

    def read_token(self) -> str | None:
        """Return the token as it is now. Blocks as long as the file system of its file does.

        Raises :class:`~w2z.errors.RemoteTokenError` for a file without a usable one.
        """
        if self.token_file is None:
            return self.token
        name = f"token file {self.token_file}"
        try:
            text = read_small(self.token_file, MAX_TOKEN_FILE)
        except OSError as error:
            raise RemoteTokenError(f"{name}: {error.strerror}") from None
        except ValueError as error:
            raise RemoteTokenError(f"{name}: {error}") from None
        lines = text.splitlines()
        token = lines[0].strip().decode("ascii", "replace") if lines else ""
        if not is_visible_ascii(token):
            raise RemoteTokenError(
                f"{name}: the first line has to be the token, visible ASCII without spaces"
            )
        return token

    def rest_headers(self, token: str | None) -> dict[str, str]:
        """Return the headers of a request that opens no websocket."""
        if token is None:
            return dict(self.headers)
        if self.token_way is TokenWay.AUTHORIZATION:
            return {**self.headers, "Authorization": f"Bearer {token}"}
        return {**self.headers, "X-W2Z-Token": token}

    def websocket_headers(self, token: str | None) -> dict[str, str]:
        """Return the headers of the upgrade beside those of RFC 6455."""
        by_subprotocol = self.token_way is TokenWay.SUBPROTOCOL
        return dict(self.headers) if by_subprotocol else self.rest_headers(token)

    def subprotocols(self, token: str | None) -> list[str]:
        """Return the subprotocols to offer: the format, and the token if it travels so."""
        if token is None or self.token_way is not TokenWay.SUBPROTOCOL:
            return [SUBPROTOCOL]
        # RFC 6455 section 4.1: a subprotocol has no separators.
        return [SUBPROTOCOL, f"{TOKEN_SUBPROTOCOL}.{quote(token, safe=_UNQUOTED)}"]

    def tls(self) -> ssl.SSLContext | None:
        """Return the context for TLS, ``None`` for a URL without it. Reads files.

        Raises :class:`~w2z.errors.RemoteSettingsError` for a file that cannot be used.
        """
        if not self.is_secure:
            return None
        name: object = "the certificates of this machine"
        try:
            context = ssl.create_default_context()
            if self.ca_file is not None:
                name = f"CA file {self.ca_file}"
                context.load_verify_locations(self.ca_file)
            if self.client_cert is not None:
                name = f"client certificate {self.client_cert}"
                context.load_cert_chain(self.client_cert, self.client_key, password=_no_password)
        except OSError as error:  # SSLError is one
            raise RemoteSettingsError(f"{name}: {error.strerror or error}") from None
        return context


def _parse(url: str) -> tuple[SplitResult, str, int]:
    """Return the parts of a URL, its host and its port. An error does not show the query."""
    parts = None
    shown = repr(url.partition("?")[0][:200])
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts is None or not host or port == 0 or parts.scheme not in _SECURE:
        raise RemoteSettingsError(f"{_without_user(shown)} is no URL of a w2z: {_USABLE}")
    if "@" in parts.netloc:
        raise RemoteSettingsError(
            f"a URL with a user or a password in it cannot be used: {_USABLE}, and the token as"
            " W2Z_TOKEN or in a file"
        )
    return parts, host, port or DEFAULT_PORTS[parts.scheme]


def _without_user(text: str) -> str:
    return re.sub(r"//[^/]*@", "//", text)


def _found_token(
    parts: SplitResult, environment: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """Return the token, or the file with it, that the URL or the environment has."""
    [token] = parse_qs(parts.query).get("token", [""])[:1]
    if token:
        return token, None
    token = environment.get("W2Z_TOKEN", "").strip()
    return (token, None) if token else (None, value(environment, "W2Z_TOKEN_FILE"))


def _way(text: TokenWay | str) -> TokenWay:
    try:
        return TokenWay(text)
    except ValueError:
        ways = ", ".join(TokenWay)
        raise RemoteSettingsError(f"the token cannot travel as {text!r}: use {ways}") from None


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n\0]", text):
            raise RemoteSettingsError(f"{name[:40]!r} is no header that can be sent")
    return dict(headers)


def _path(name: str | Path | None) -> Path | None:
    return None if name is None else Path(name)


def _no_password() -> str:
    # Otherwise OpenSSL asks for it on the terminal.
    return ""

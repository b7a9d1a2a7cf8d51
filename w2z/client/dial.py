"""Opens the TCP connection to another w2z: directly, or through an HTTP proxy; with TLS or not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from websockets.exceptions import InvalidProxy
from websockets.proxy import Proxy, get_proxy, parse_proxy, prepare_connect_request
from websockets.uri import WebSocketURI

from w2z.client.remote import Remote
from w2z.errors import RemoteSettingsError
from w2z.threads import in_thread

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

ADDRESS_WITHIN = 4.0
"""Seconds that one of several addresses of a host may take to answer."""

MAX_PROXY_ANSWER = 2**16
"""Bytes of a proxy's answer to CONNECT."""


async def dial(remote: Remote, protocol: asyncio.Protocol, context: ssl.SSLContext | None) -> None:
    """Connect ``protocol`` to ``remote``.

    Raises :class:`OSError` where that fails, and :class:`~w2z.errors.RemoteSettingsError` for a
    proxy that cannot be used.
    """
    proxy = proxy_of(remote)
    name = remote.host if context else None
    if proxy is None:
        await _connected(lambda: protocol, remote.host, remote.port, context)
        return
    secure = ssl.create_default_context() if proxy.scheme == "https" else None
    transport, tunnel = await _connected(
        lambda: _Tunnel(proxy, _uri(remote)), proxy.host, proxy.port, secure
    )
    loop = asyncio.get_running_loop()
    try:
        await tunnel.opened
        if context is None:
            transport.set_protocol(protocol)
        else:
            inner = await loop.start_tls(transport, protocol, context, server_hostname=name)
            if inner is None:
                raise ConnectionError("the proxy closed the connection")
            transport = inner
    except BaseException:
        transport.abort()
        raise
    protocol.connection_made(transport)


def proxy_of(remote: Remote) -> Proxy | None:
    """Return the HTTP proxy on the way to ``remote``; ``None``: there is none.

    Raises :class:`~w2z.errors.RemoteSettingsError` for one of another kind.
    """
    text = get_proxy(_uri(remote)) if remote.proxy is None else remote.proxy
    if not text:
        return None
    try:
        proxy = parse_proxy(text)
    except (InvalidProxy, ValueError):
        proxy = None
    if proxy is None or not proxy.scheme.startswith("http"):
        # Not its URL, which may have a password in it.
        raise RemoteSettingsError(
            f"the proxy for {remote.url} cannot be used: only http://HOST:PORT and https://... can,"
            " with USER:PASSWORD@ in front of the host if need be; or leave it out by NO_PROXY"
        )
    return proxy


async def _connected(
    make: Callable[[], ProtocolT], host: str, port: int, context: ssl.SSLContext | None
) -> tuple[asyncio.Transport, ProtocolT]:
    """Connect to the first address of ``host`` that answers."""
    loop = asyncio.get_running_loop()
    # Not by the event loop, whose end waits for a name server that is silent.
    find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(end[0] for *_, end in await in_thread(find)))
    problem: OSError = OSError("no address has that name")
    for address in addresses:
        try:
            async with asyncio.timeout(ADDRESS_WITHIN if len(addresses) > 1 else None):
                return await loop.create_connection(
                    make, str(address), port, ssl=context, server_hostname=host if context else None
                )
        except ssl.SSLError:
            raise
        except OSError as error:  # TimeoutError is one
            problem = error
    raise problem


def _uri(remote: Remote) -> WebSocketURI:
    return WebSocketURI(remote.is_secure, remote.host, remote.port, remote.path, "")


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection (RFC 9110 section 9.3.6); ``opened`` says how that went."""

    def __init__(self, proxy: Proxy, uri: WebSocketURI) -> None:
        self._request = prepare_connect_request(proxy, uri)
        self._answer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, _ = self._answer.partition(b"\r\n\r\n")
        if end and not self.opened.done():
            status = head.split(b" ", 2)[1:2]
            if status and status[0].startswith(b"2"):
                self.opened.set_result(None)
            else:
                line = head.split(b"\r\n")[0][:80].decode("ascii", "replace")
                self._fail(f"the proxy said {line!r}")
        elif len(self._answer) > MAX_PROXY_ANSWER:
            self._fail("the proxy sent too long an answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the proxy closed the connection")

    def _fail(self, problem: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(problem))

"""A route to w2z in a configurable-http-proxy, from w2z's first moment to its last.

The proxy is told through its REST API (https://github.com/jupyterhub/configurable-http-proxy, "REST
API"). It forgets its routes when it is started again, so w2z looks again and again. Nothing that
goes wrong here ends w2z.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
from functools import partial
from typing import Any, Never
from urllib.parse import quote, unquote, urlsplit

import h11
from pydantic_core import from_json

from w2z import __version__
from w2z.errors import ProxyError
from w2z.settings import is_visible_ascii
from w2z.threads import in_thread

log = logging.getLogger("w2z")

ROUTE_CHECK_INTERVAL = 30.0
"""Seconds between looks whether the route is there."""

ROUTE_RETRY_INTERVAL = 3.0
"""The same while the proxy cannot be told: it may be about to start."""

TIMEOUT = 10.0
"""Seconds for a look."""

MAX_ANSWER = 16 * 2**20
"""Bytes of an answer: for the root's route the API lists every route there is."""

HTTPS = 443
HTTP = 80


async def keep_route(api: str, token: str | None, route: ProxyRoute, last: float) -> Never:
    """Add the route, add it again when it is gone, and take it away when cancelled.

    ``api`` is the URL of the proxy's REST API, ``token`` what it wants to see. ``last`` are the
    seconds after which taking the route away is given up.
    """
    client = ProxyApi(api, token)
    failing = False
    try:
        while True:
            try:
                async with asyncio.timeout(TIMEOUT):
                    await route.add(client)
                failing = False
            except (ProxyError, OSError) as error:
                if not failing:
                    log.warning("no route in the proxy at %s: %s", api, _reason(error))
                failing = True
            await asyncio.sleep(ROUTE_RETRY_INTERVAL if failing else ROUTE_CHECK_INTERVAL)
    finally:
        try:
            # Not asyncio.timeout: before Python 3.11.3 it is of no use to a task that is cancelled.
            await asyncio.wait_for(route.remove(client), last)
        except (ProxyError, OSError) as error:
            if not failing:
                log.warning("the route may stay in the proxy at %s: %s", api, _reason(error))


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


class ProxyRoute:
    """The route of ``base_url`` to ``advertise``, or else to the address from which the API is
    asked and ``port``.
    """

    def __init__(self, base_url: str, advertise: str | None, port: int) -> None:
        self._key = base_url.rstrip("/") or "/"
        self._advertise = advertise
        self._port = port

    async def add(self, api: ProxyApi) -> None:
        """Add it if it is not there. Raises :class:`~w2z.errors.ProxyError`, :class:`OSError`."""
        found, target = await self._look(api)
        if found == target:
            return
        await api.ask("POST", self._key, {"target": target})
        was = "" if found is None else f" (it led to {found})"
        log.info("added the proxy's route %s to %s%s", self._key, target, was)

    async def remove(self, api: ProxyApi) -> None:
        """Remove it, if nobody else has it by now. Raises as :meth:`add` does."""
        found, target = await self._look(api)
        if found == target:
            await api.ask("DELETE", self._key)
            log.info("removed the proxy's route %s", self._key)

    async def _look(self, api: ProxyApi) -> tuple[str | None, str]:
        """Where the route leads now, and where it should."""
        answer = await api.ask("GET", self._key)
        # Asked for the root's route the API gives the whole table.
        found = answer.get("/") if self._key == "/" else answer
        target = found.get("target") if isinstance(found, dict) else None
        host = f"[{api.own_address}]" if ":" in api.own_address else api.own_address
        return target, self._advertise or f"http://{host}:{self._port}"


class ProxyApi:
    """The proxy's REST API, a connection for each request.

    ``own_address`` is this end's address of the last one.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = urlsplit(url)
        self._token = token and token.strip()
        self.own_address = ""

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The object that is answered; an empty one where there is none, or no such route.

        Raises :class:`~w2z.errors.ProxyError` that says what was answered instead, and
        :class:`OSError`.
        """
        if self._token and not is_visible_ascii(self._token):
            raise ProxyError("CONFIGPROXY_AUTH_TOKEN has to be visible ASCII without spaces")
        data = b"" if body is None else json.dumps(body).encode()
        try:
            status, answer = await self._exchange(self._request(method, path, data), data)
            if 200 <= status < 300:
                made = from_json(answer) if answer.strip() else {}
                return made if isinstance(made, dict) else {}
        except (h11.ProtocolError, ValueError) as error:
            raise ProxyError(f"{method} failed: {error}") from None
        if status == 404 and method != "POST":
            return {}
        hint = ": is CONFIGPROXY_AUTH_TOKEN the proxy's?" if status in (401, 403) else ""
        raise ProxyError(f"{method} was answered {status}{hint}")

    def _request(self, method: str, path: str, data: bytes) -> h11.Request:
        headers = [
            ("Host", self._url.netloc),
            ("User-Agent", f"w2z/{__version__}"),
            ("Connection", "close"),
            ("Content-Length", str(len(data))),
        ]
        if data:
            headers.append(("Content-Type", "application/json"))
        if self._token:
            headers.append(("Authorization", f"token {self._token}"))
        # Once, whether the base URL was given quoted or not.
        target = f"{self._url.path.rstrip('/')}/api/routes{quote(unquote(path))}"
        return h11.Request(method=method, target=target, headers=headers)

    async def _exchange(self, request: h11.Request, data: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connect()
        try:
            self.own_address = writer.get_extra_info("sockname")[0]
            http = h11.Connection(h11.CLIENT)
            for event in (request, h11.Data(data=data), h11.EndOfMessage()):
                writer.write(http.send(event) or b"")
            await writer.drain()
            return await _answer(http, reader)
        finally:
            # All was said, or there is no time left for the peer to take part in an end.
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first of the API's addresses that takes one."""
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port or (HTTPS if secure else HTTP)
        # Not left to asyncio: the end of w2z would wait for a name server that is silent.
        find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        *others, last = [address[:2] for *_, address in await in_thread(find)]
        tls = ssl.create_default_context() if secure else None
        connect = partial(asyncio.open_connection, ssl=tls, server_hostname=host if tls else None)
        for address in others:
            with contextlib.suppress(OSError):
                return await connect(*address)
        return await connect(*last)


async def _answer(http: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and the body of the answer."""
    status, body = 0, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(2**16))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_ANSWER:
                raise ProxyError(f"the answer is longer than {MAX_ANSWER} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return status, bytes(body)

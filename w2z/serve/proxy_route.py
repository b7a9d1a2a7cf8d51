"""Keep a route to w2z in a configurable-http-proxy for as long as w2z listens.

w2z adds the route through the proxy's REST API
(https://github.com/jupyterhub/configurable-http-proxy, "REST API"). A proxy that is restarted has
forgotten its routes, so w2z checks the route regularly. Errors here never end w2z.
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
from w2z.threads import in_thread
from w2z.values import is_visible_ascii

log = logging.getLogger("w2z")

ROUTE_CHECK_INTERVAL = 30.0
"""Seconds between checks whether the route is there."""

ROUTE_RETRY_INTERVAL = 3.0
"""Seconds between attempts while they fail: the proxy may be about to start."""

TIMEOUT = 10.0
"""Seconds for one check, and for adding the route if it is missing."""

MAX_ANSWER = 16 * 2**20
"""The most bytes of an answer: asked for the route of ``/``, the API lists every route."""

HTTPS = 443
HTTP = 80


async def keep_route(api: str, token: str | None, route: ProxyRoute, last: float) -> Never:
    """Add the route, add it again when it is gone, and remove it when cancelled.

    ``api`` is the URL of the proxy's REST API, and ``token`` its token. ``last`` is how many
    seconds removing the route may take.
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
            # Not asyncio.timeout: before Python 3.11.3 it does not work in a cancelled task.
            await asyncio.wait_for(route.remove(client), last)
        except (ProxyError, OSError) as error:
            if not failing:
                log.warning("the route may stay in the proxy at %s: %s", api, _reason(error))


def _reason(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error)


class ProxyRoute:
    """The route from ``base_url`` to ``advertise``.

    Without ``advertise`` the route leads to ``port`` at w2z's address on its connection to the API.
    """

    def __init__(self, base_url: str, advertise: str | None, port: int) -> None:
        self._key = base_url.rstrip("/") or "/"
        self._advertise = advertise
        self._port = port

    async def add(self, api: ProxyApi) -> None:
        """Add the route if it is missing, or change it if it leads elsewhere.

        Raises :class:`~w2z.errors.ProxyError` and :class:`OSError`.
        """
        found, target = await self._look(api)
        if found == target:
            return
        await api.ask("POST", self._key, {"target": target})
        was = "" if found is None else f" (it led to {found})"
        log.info("added the proxy's route %s to %s%s", self._key, target, was)

    async def remove(self, api: ProxyApi) -> None:
        """Remove the route, unless it leads elsewhere by now. Raises like :meth:`add`."""
        found, target = await self._look(api)
        if found == target:
            await api.ask("DELETE", self._key)
            log.info("removed the proxy's route %s", self._key)

    async def _look(self, api: ProxyApi) -> tuple[str | None, str]:
        """Return where the route leads now, ``None`` if it is missing, and where it should lead."""
        answer = await api.ask("GET", self._key)
        # Asked for the route of /, the API answers with the table of all routes.
        found = answer.get("/") if self._key == "/" else answer
        target = found.get("target") if isinstance(found, dict) else None
        host = f"[{api.own_address}]" if ":" in api.own_address else api.own_address
        return target, self._advertise or f"http://{host}:{self._port}"


class ProxyApi:
    """The proxy's REST API, with a new connection for each request.

    ``own_address`` is w2z's address on the last connection.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = urlsplit(url)
        self._token = token and token.strip()
        self.own_address = ""

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send a request and return the JSON object of the answer.

        Returns an empty object if the answer has none, or if there is no such route. Raises
        :class:`~w2z.errors.ProxyError`, which says what the answer was instead or that the token
        is unusable, and :class:`OSError`.
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
        # Quoted once, whether the base URL was given quoted or not.
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
            # The exchange is over, or there is no time left to wait for the peer to close.
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first of the API's addresses that accepts a connection."""
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port or (HTTPS if secure else HTTP)
        # Not asyncio's own lookup: with a silent name server, the end of w2z would wait for it.
        find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        *others, last = [address[:2] for *_, address in await in_thread(find)]
        tls = ssl.create_default_context() if secure else None
        connect = partial(asyncio.open_connection, ssl=tls, server_hostname=host if tls else None)
        for address in others:
            with contextlib.suppress(OSError):
                return await connect(*address)
        return await connect(*last)


async def _answer(http: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read the answer; return its status and its body."""
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

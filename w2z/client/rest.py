"""What a client asks of another w2z over HTTP: its kernel's model, interrupt, restart and stop.

Each request has a connection of its own, in a thread. Requests go through the same proxy as the
websocket, by CONNECT.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from websockets.headers import build_authorization_basic

from w2z.client import faults, retrying
from w2z.client.dial import proxy_of
from w2z.client.remote import Remote
from w2z.errors import NotDone, NotW2z, RemoteError, Unreachable
from w2z.threads import in_thread

REST_WITHIN = 30.0
"""Seconds for an answer of w2z; an interrupt takes the longest of what is meant to be quick."""

RESTART_WITHIN = 300.0
"""Seconds for a restart, which is answered when the next kernel is ready."""

CONNECT_FOR = 5.0
"""Seconds in which a connection for a request is tried again: nothing was sent yet."""

CONNECT_PAUSE = 0.1
"""Seconds between two of these attempts."""

LARGEST_ANSWER = 2**22
"""Bytes of an answer that are read."""


MOST_LOGOS = 8
"""Logos of a kernelspec that are asked for."""

# Below w2z's base URL, wherever a proxy has put that.
_LOGO = re.compile(r"/kernelspecs/[^/]+/(?P<file>logo-[\w-]+\.(png|svg))$", re.ASCII)


class Rest:
    """The REST API of the w2z at ``remote``, for its one kernel.

    Each method raises :class:`~w2z.errors.RemoteError`: :class:`~w2z.errors.Unreachable`,
    :class:`~w2z.errors.Unauthorized`, :class:`~w2z.errors.UnknownKernel`,
    :class:`~w2z.errors.NotW2z`, or :class:`~w2z.errors.NotDone` where w2z could not do it.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._kernel_id = remote.kernel_id

    async def model(self) -> dict[str, Any]:
        """Return the kernel's model: ``id``, ``name``, ``execution_state``, and more."""
        if self._kernel_id is None:
            return await self._first_model()
        return _object(await self._do("GET", await self._path()), self._remote)

    async def kernelspec(self) -> dict[str, Any]:
        """Return the kernel's spec: ``name``, ``spec`` and ``resources``."""
        name = (await self.model()).get("name")
        found = _object(await self._do("GET", "/api/kernelspecs"), self._remote)
        specs = found.get("kernelspecs")
        if not isinstance(specs, dict) or not specs:
            raise _not_w2z(self._remote)
        return _object(specs.get(name) or next(iter(specs.values())), self._remote)

    async def logos(self, kernelspec: dict[str, Any]) -> dict[str, bytes]:
        """Return the logos that the ``kernelspec`` names, by their file names. One that cannot be
        had is left out.
        """
        resources = kernelspec.get("resources")
        found: dict[str, bytes] = {}
        for path in resources.values() if isinstance(resources, dict) else ():
            match = _LOGO.search(str(path))
            if match is not None and len(found) < MOST_LOGOS:
                with contextlib.suppress(RemoteError):
                    found[match["file"]] = await in_thread(partial(self._fetch, match[0]))
        return found

    def _fetch(self, path: str) -> bytes:
        return fetch(self._remote, "GET", path, REST_WITHIN)

    async def interrupt(self) -> None:
        """Interrupt the kernel."""
        await self._do("POST", await self._path("/interrupt"))

    async def restart(self) -> None:
        """Restart the kernel; returns when the next one is ready."""
        await self._do("POST", await self._path("/restart"), RESTART_WITHIN)

    async def stop(self) -> None:
        """Delete the kernel: what that does is decided by w2z's ``--on-delete``."""
        await self._do("DELETE", await self._path())

    async def _first_model(self) -> dict[str, Any]:
        models = await self._do("GET", "/api/kernels")
        if not isinstance(models, list) or not models:
            raise _not_w2z(self._remote)
        model = _object(models[0], self._remote)
        self._kernel_id = str(model.get("id"))
        return model

    async def _path(self, action: str = "") -> str:
        if self._kernel_id is None:
            await self._first_model()
        return f"/api/kernels/{quote(self._kernel_id or '', safe='')}{action}"

    async def _do(self, method: str, path: str, within: float = REST_WITHIN) -> Any:
        return await in_thread(lambda: request(self._remote, method, path, within))


def request(remote: Remote, method: str, path: str, within: float = REST_WITHIN) -> Any:
    """Make one request, and return what the answer says in JSON; ``None`` if it says nothing.
    Blocks and raises like :func:`fetch`.
    """
    body = fetch(remote, method, path, within)
    return _parsed(body, remote) if body else None


def fetch(remote: Remote, method: str, path: str, within: float) -> bytes:
    """Make one request, and return the body of the answer.

    Blocks for ``within`` seconds, and some to connect. Raises :class:`~w2z.errors.RemoteError`.
    """
    headers = remote.rest_headers(remote.read_token())
    connection = _connected(lambda: _connection(remote, within), remote)
    try:
        connection.request(method, remote.path + path, headers=headers)
        response = connection.getresponse()
        body = response.read(LARGEST_ANSWER)
    except TimeoutError:
        raise NotDone(
            f"w2z at {remote.url} did not answer {method} {path} in {within:g} seconds"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(
            f"the connection to w2z at {remote.url} ended during {method} {path}"
            f" ({str(error) or type(error).__name__}): try again"
        ) from None
    finally:
        connection.close()
    if 200 <= response.status < 300:
        return body
    raise _refused(response.status, faults.told(body), remote)


def _connection(remote: Remote, within: float) -> http.client.HTTPConnection:
    proxy = proxy_of(remote)
    host, port = (remote.host, remote.port) if proxy is None else (proxy.host, proxy.port)
    context = remote.tls()
    made: http.client.HTTPConnection
    if context is not None:
        made = http.client.HTTPSConnection(host, port, timeout=within, context=context)
    else:
        made = http.client.HTTPConnection(host, port, timeout=within)
    if proxy is not None:
        secret = proxy.user_info
        more = {} if secret is None else {"Proxy-Authorization": build_authorization_basic(*secret)}
        made.set_tunnel(remote.host, remote.port, headers=more)
    return made


def _connected(
    make: Callable[[], http.client.HTTPConnection], remote: Remote
) -> http.client.HTTPConnection:
    deadline = time.monotonic() + CONNECT_FOR
    while True:
        connection = make()
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            connection.close()
            problem = faults.failed(error, remote, was_open=not isinstance(error, ssl.SSLError))
        else:
            return connection
        if time.monotonic() > deadline:
            raise Unreachable(f"no connection to w2z at {remote.url} ({problem.text})")
        time.sleep(CONNECT_PAUSE)


def _refused(status: int, told: str, remote: Remote) -> RemoteError:
    final = retrying.refusal(status, told, remote.url) if status not in (501, 504) else None
    said = told or f"it said {status}"
    return final or NotDone(f"w2z at {remote.url} could not do it: {said}")


def _parsed(body: bytes, remote: Remote) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise _not_w2z(remote) from None


def _object(value: Any, remote: Remote) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _not_w2z(remote)
    return value


def _not_w2z(remote: Remote) -> NotW2z:
    return NotW2z(f"what answers at {remote.url} is not w2z: check the URL")

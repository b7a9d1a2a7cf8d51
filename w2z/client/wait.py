"""Wait until a w2z, elsewhere or in the same container, serves a ready kernel."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from w2z.environment import value
from w2z.errors import SettingsError
from w2z.hosts import LOOPBACK_IPV4, LOOPBACK_IPV6, openable
from w2z.settings import Settings
from w2z.values import encoded_path
from w2z.whereabouts import found

READY = 200
"""The status of ``/readyz`` when the kernel is ready."""

RETRY_INTERVAL = 0.1
"""Seconds between requests."""

LEAST_TIMEOUT = 1.0
"""Seconds that the last look has, or the only one, however little time is left: a machine may be
busy.
"""

MAX_BODY = 1000
"""Bytes of an answer that are read; those of w2z are shorter."""

REQUEST_TIMEOUT = 5.0
"""Seconds to wait for one answer at most; fewer if less time is left."""


def own_urls(environment: Mapping[str, str]) -> list[str]:
    """Return the URLs at which a w2z may be that has the same environment.

    Where the environment does not name the host, an option may have: then w2z is looked for at the
    loopback addresses of both families.
    """
    host = value(environment, "W2Z_HOST")
    port = value(environment, "W2Z_PORT") or Settings.model_fields["port"].default
    path = (value(environment, "W2Z_BASE_URL") or "").strip("/")
    hosts = [host] if host else [LOOPBACK_IPV4, LOOPBACK_IPV6]
    return [f"http://{openable(host)}:{port}/{path}" for host in hosts]


def own(environment: Mapping[str, str]) -> list[list[str]]:
    """Return where each w2z of this container may be: one list of URLs for each.

    Those that run say it themselves; without any, the environment does.
    """
    return [[url] for url in found(environment)] or [own_urls(environment)]


def wait_ready(urls: Sequence[str], seconds: float) -> str | None:
    """Wait for the w2z that is at one of ``urls``: see :func:`wait_for_all`."""
    return wait_for_all(lambda: [urls], seconds)


def wait_for_all(where: Callable[[], Sequence[Sequence[str]]], seconds: float) -> str | None:
    """Request ``/readyz`` of each w2z until all answer 200, or ``seconds`` are over.

    ``where`` returns, each time anew, the URLs at which each may be; one that answers is enough.
    Returns ``None`` when all are ready, else what the last answer of one was, or the error at its
    first URL if there was no answer. Raises :class:`~w2z.errors.SettingsError` if one of them is no
    URL.
    """
    deadline = time.monotonic() + seconds
    while True:
        problems = [_problem(urls, deadline) for urls in where()]
        problem = next((one for one in problems if one is not None), None)
        if problem is None or time.monotonic() + RETRY_INTERVAL >= deadline:
            return problem
        time.sleep(RETRY_INTERVAL)


def _problem(urls: Sequence[str], deadline: float) -> str | None:
    """Return why no ready w2z is at any of ``urls``, or ``None`` if one is."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"{url!r} is no URL: give http://HOST:PORT/BASE/ or https://...")
    problem: str | None = None
    for url in urls:
        left = deadline - time.monotonic()
        status, text = _look(url, min(max(left, LEAST_TIMEOUT), REQUEST_TIMEOUT))
        if status == READY:
            return None
        problem = text if status or problem is None else problem
    return problem


def _told(body: bytes) -> str:
    """Return what a w2z says of its kernel, or of the request; of another's page nothing."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("ready") is False:
        return "the kernel is not ready"
    message = said.get("message") if isinstance(said, dict) else None
    return message if isinstance(message, str) else "what answers there is not w2z: check the URL"


def _look(url: str, patience: float) -> tuple[int | None, str]:
    """Return the status of the answer, ``None`` if there was none, and what to say about it."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.netloc, timeout=patience)
    except http.client.InvalidURL as error:
        raise SettingsError(f"{url!r} is no URL: {error}") from None
    try:
        connection.request("GET", encoded_path(parts.path).rstrip("/") + "/readyz")
        response = connection.getresponse()
        return response.status, f"{response.status}: {_told(response.read(MAX_BODY))}"
    except (OSError, http.client.HTTPException) as error:
        return None, str(error) or type(error).__name__
    finally:
        connection.close()

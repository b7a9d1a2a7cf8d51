"""Wait until a w2z, elsewhere or in the same container, serves a ready kernel."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from w2z.errors import SettingsError
from w2z.server.addresses import openable
from w2z.settings import Settings, encoded_path

RETRY_INTERVAL = 0.1
"""Seconds between requests."""

REQUEST_TIMEOUT = 5.0
"""Seconds to wait for one answer at most; fewer if less time is left."""


def own_url(environment: Mapping[str, str]) -> str:
    """Return the URL of a w2z that has the same environment and no options that change its URL."""
    host, port = (
        environment.get(f"W2Z_{name.upper()}") or Settings.model_fields[name].default
        for name in ("host", "port")
    )
    return f"http://{openable(host)}:{port}/{environment.get('W2Z_BASE_URL', '').strip('/')}"


def wait_ready(url: str, seconds: float) -> str | None:
    """Request ``/readyz`` below ``url`` until the answer is 200, or ``seconds`` are over.

    Returns ``None`` after a 200, else what the last answer or error was. Raises
    :class:`~w2z.errors.SettingsError` if ``url`` is no URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{url!r} is no URL: give http://HOST:PORT/BASE/ or https://...")
    deadline = time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        problem = _look(url, min(max(left, RETRY_INTERVAL), REQUEST_TIMEOUT))
        if problem is None or time.monotonic() + RETRY_INTERVAL >= deadline:
            return problem
        time.sleep(RETRY_INTERVAL)


def _look(url: str, patience: float) -> str | None:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=patience)
    try:
        connection.request("GET", encoded_path(parts.path).rstrip("/") + "/readyz")
        response = connection.getresponse()
        body = response.read(1000).decode(errors="replace")
        return None if response.status == 200 else f"{response.status}: {body}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()

"""``w2z serve``: wait for the connection file, connect, listen, and end cleanly on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from w2z import connection_file
from w2z.bridge import Bridge
from w2z.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.channels import SOCKETS_PER_SESSION
from w2z.server.app import App
from w2z.server.auth import Gate
from w2z.server.http import REFUSALS
from w2z.server.listener import Listener
from w2z.server.token import token_source
from w2z.settings import Settings

log = logging.getLogger("w2z")

LOOK_AGAIN = 0.05
"""Seconds between looks for a connection file that is not whole yet."""

FILES_PER_CONNECTION = 2 * SOCKETS_PER_SESSION + 1
"""Each ZMQ socket has a mailbox and a connection."""

FILES_BESIDE = 128 + REFUSALS
"""Everything else that is open: libraries, the loop, connections being refused."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Waits for the first SIGTERM or SIGINT, or a client's wish; :attr:`exit_code` says which."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._happened = asyncio.Event()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it happens, or so long; returns whether it happened."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._happened.wait()
        return self._happened.is_set()

    def _on_signal(self, number: int) -> None:
        if not self._happened.is_set():
            log.info("%s: shutting down", signal.Signals(number).name)
            self.exit_code = 128 + number
        self._happened.set()

    def on_request(self) -> None:
        """A client asked for the end."""
        if not self._happened.is_set():
            log.info("stopped by a client: shutting down")
        self._happened.set()


async def serve(settings: Settings, announce: Callable[[str], None], terminal: bool) -> int:
    """Serve until a signal or a client ends it; returns the exit code.

    ``announce`` gets the one line that says where w2z listens; ``terminal`` tells whether a
    person reads it, and so whether a generated token may be in it. Raises
    :class:`~w2z.errors.StartupError`.
    """
    stop = Stop()
    token, generated = token_source(settings)
    settings = settings.model_copy(update={"max_connections": _connections_to_take(settings)})
    info = await wait_for_file(settings.connection_file, settings.wait, stop)
    if info is not None:
        kernel_id = settings.kernel_id
        if kernel_id is None:
            kernel_id = connection_file.kernel_id(info, settings.connection_file)
        gate = Gate(token, settings.allow_origin, settings.strict_origin)
        async with (
            Bridge(settings, info, kernel_id) as bridge,
            Listener(App(settings, bridge, gate, stop.on_request)) as listener,
        ):
            announce(greeting(settings, *listener.address, generated if terminal else None))
            _warn(settings, generated is not None and not terminal)
            await stop.wait()
    return stop.exit_code


async def wait_for_file(path: Path, seconds: float, stop: Stop) -> ConnectionInfo | None:
    """Read the connection file as soon as it is whole; ``None`` when stopped before.

    Raises :class:`~w2z.errors.ConnectionFileError` when it is wrong, or still not there or not
    whole after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    said = False
    while True:
        try:
            return connection_file.read(path)
        except Unfinished as error:
            if time.monotonic() >= deadline:
                raise Unfinished(f"{error} (waited {seconds:g} s: see --wait)") from None
            if not said:
                log.info("waiting for the connection file: %s", error)
                said = True
        if await stop.wait(LOOK_AGAIN):
            return None


def greeting(settings: Settings, host: str, port: int, shown_token: str | None) -> str:
    """The line that says where w2z listens and how to connect."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        host = "127.0.0.1"
    elif ":" in host:
        host = f"[{host}]"
    query = f"?token={shown_token}" if shown_token else ""
    return f"w2z: serving the kernel at http://{host}:{port}{settings.base_url}{query}"


def _warn(settings: Settings, token_is_unknown: bool) -> None:
    if settings.no_auth:
        log.warning("--no-auth: whoever reaches the port can run code in the kernel")
    if token_is_unknown:
        log.warning(
            "a token was generated, but is only shown on a terminal:"
            " set W2Z_TOKEN or --token-file to one that clients know"
        )


def _connections_to_take(settings: Settings) -> int:
    """Take the file descriptors for ``max_connections``, or as many of them as there can be.

    libzmq ends the process when it finds no descriptor left, so it must never come to that.
    """
    wanted = settings.max_connections
    needed = wanted * FILES_PER_CONNECTION + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    fit = max(1, (hard - FILES_BESIDE) // FILES_PER_CONNECTION)
    log.warning("%d open files are allowed: room for %d connections, not %d", hard, fit, wanted)
    return fit

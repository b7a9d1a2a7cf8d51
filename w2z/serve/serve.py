"""``w2z serve``: find or start the kernel, connect, listen, and end cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from w2z.bridge.bridge import Bridge
from w2z.hosts import openable
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.process.children import Children
from w2z.kernel.sockets.channels import SOCKETS_PER_SESSION
from w2z.logs.audit import AuditLog
from w2z.privacy import take_variable
from w2z.serve.budget import ShutdownBudget
from w2z.serve.build import kernel
from w2z.serve.idleness import grow_old
from w2z.serve.stop import Stop
from w2z.server.access.policy import AccessPolicy
from w2z.server.access.token import TokenFile, token_source
from w2z.server.app import App
from w2z.server.door import SPARE
from w2z.server.listener import ACCEPTED_AT_ONCE, Listener
from w2z.settings import Settings
from w2z.whereabouts import Whereabouts

log = logging.getLogger("w2z")

FILES_PER_CONNECTION = 2 * SOCKETS_PER_SESSION + 1
"""File descriptors of one client: each ZMQ socket has a mailbox and a connection, and the websocket
has a connection.
"""

FILES_BESIDE = 128 + SPARE + ACCEPTED_AT_ONCE
"""File descriptors of everything else: libraries, the loop, connections of strangers."""

SHORT_TOKEN = 16
"""Characters below which a token is warned of: random hexadecimal digits then have 64 bits."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""Makes the coroutine of a task that runs beside the keeper."""


async def serve(settings: Settings, announce: Callable[[str], None], terminal: bool) -> int:
    """Serve until a signal, a client, the kernel or a time limit ends w2z; returns the exit code.

    ``announce`` gets the one line that says where w2z listens. ``terminal`` tells whether a person
    reads that line: only then may it contain a generated token. Raises
    :class:`~w2z.errors.StartupError`.
    """
    stop = Stop()
    api_token = take_variable("CONFIGPROXY_AUTH_TOKEN")
    token, generated = token_source(settings)
    settings = settings.model_copy(update={"max_connections": _connections_to_take(settings)})
    budget = ShutdownBudget.of(settings)
    async with contextlib.AsyncExitStack() as stack:
        audit = None
        if settings.audit_log is not None:
            audit = stack.enter_context(
                AuditLog(settings.audit_log, settings.audit_code, budget.log / 2)
            )
        children = stack.enter_context(Children())
        if settings.starts_kernel:
            # Entered early, so that it runs at the very end, however w2z ends.
            stack.push_async_callback(children.kill_all, budget.kill)
        made = await kernel(settings, budget, stop, children, stack)
        if made is not None:
            bridge, keeper, specs = made
            bridge.audit = audit
            policy = AccessPolicy.of(settings, token)
            app = App(settings, bridge, keeper, policy, stop.on_request, specs=specs)
            listener = Listener(app, closes_within=budget.clients)
            await stack.enter_async_context(listener)
            if isinstance(token, TokenFile):
                await stack.enter_async_context(token.watched(app.close_revoked))
            shown = generated if terminal else None
            stack.enter_context(Whereabouts(url(settings, *listener.address), os.environ))
            announce(greeting(settings, *listener.address, shown))
            _warn(settings, token, generated is not None and not terminal)
            await run(
                keeper,
                stop,
                _aging(settings, bridge, stop),
                _routing(settings, api_token, listener.address[1], budget.route),
            )
    return stop.exit_code


async def run(keeper: Keeper, stop: Stop, aging: Work | None, route: Work | None) -> None:
    """Run the keeper until w2z has a reason to end, then stop the keeper.

    ``aging`` ends w2z after a time limit. ``route`` keeps the proxy's route until it is cancelled.
    """
    stop.hurry, stop.forward = keeper.hurry, keeper.forward
    async with asyncio.TaskGroup() as tasks:

        async def live() -> None:
            stop.because("the kernel ended", await keeper.run())

        living = [tasks.create_task(live())]
        if aging is not None:
            living.append(tasks.create_task(aging()))
        routing = None if route is None else tasks.create_task(route())
        await stop.wait()
        if routing is not None:
            # The route goes away while the kernel ends, so that no new client comes.
            routing.cancel()
        await keeper.stop()
        for task in living:
            task.cancel()


def _aging(settings: Settings, bridge: Bridge, stop: Stop) -> Work | None:
    if settings.idle_timeout is None and settings.max_lifetime is None:
        return None
    return partial(grow_old, settings, bridge, stop)


def _routing(settings: Settings, api_token: str | None, port: int, last: float) -> Work | None:
    api = settings.register_with_chp
    if api is None:
        return None
    from w2z.serve.proxy_route import (  # noqa: PLC0415 (rarely needed)
        ProxyRoute,
        keep_route,
    )

    route = ProxyRoute(settings.base_url, settings.advertise, port)
    return partial(keep_route, api, api_token, route, last)


def url(settings: Settings, host: str, port: int) -> str:
    """Return a URL at which w2z can be reached from this machine."""
    return f"http://{openable(host)}:{port}{settings.base_url}"


def greeting(settings: Settings, host: str, port: int, shown_token: str | None) -> str:
    """Return the line that says where w2z listens and how to connect."""
    query = f"?token={shown_token}" if shown_token else ""
    return f"w2z: serving the kernel at {url(settings, host, port)}{query}"


def _warn(
    settings: Settings, token: Callable[[], str | None] | None, token_is_unknown: bool
) -> None:
    if settings.no_auth:
        log.warning("--no-auth: whoever reaches the port can run code in the kernel")
    if token is not None and len(token() or "") < SHORT_TOKEN:
        log.warning("the token has fewer than %d characters: it can be guessed", SHORT_TOKEN)
    if token_is_unknown:
        log.warning(
            "a token was generated, but is only shown on a terminal:"
            " set W2Z_TOKEN or --token-file to one that clients know"
        )


def _connections_to_take(settings: Settings) -> int:
    """Raise the limit of open files for ``max_connections``; return how many connections fit.

    libzmq ends the process when it finds no file descriptor left, so w2z must never use all.
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

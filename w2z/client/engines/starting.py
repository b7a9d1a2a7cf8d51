"""From an image to a kernel that is ready, and to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from w2z.client.engines.base import ContainerSpec, Engine, Running, why
from w2z.client.wait import wait_ready
from w2z.errors import ContainerError
from w2z.threads import begin, in_thread

LOOK_FOR = 1.0
"""Seconds that w2z is asked at a time whether its kernel is ready."""


@asynccontextmanager
async def started(engine: Engine, spec: ContainerSpec) -> AsyncIterator[Running]:
    """Do as :func:`start`; the container is gone after the block."""
    running = await start(engine, spec)
    try:
        yield running
    finally:
        await asyncio.shield(begin(lambda: engine.stop(running.id)))


async def start(engine: Engine, spec: ContainerSpec) -> Running:
    """Start a container, and wait until its kernel is ready.

    Raises :class:`~w2z.errors.ContainerError` if there is no such image, or no kernel gets ready in
    it within ``spec.ready_timeout`` seconds. Then, and when it is cancelled, nothing is left.
    """
    starting = begin(lambda: engine.start(spec))
    try:
        running = await asyncio.shield(starting)
        await _ready(engine, running, spec)
    except BaseException:
        with contextlib.suppress(ContainerError):
            running = await starting
            await in_thread(lambda: engine.stop(running.id, 0))
        raise
    return running


async def _ready(engine: Engine, running: Running, spec: ContainerSpec) -> None:
    deadline = asyncio.get_running_loop().time() + spec.ready_timeout
    while await in_thread(lambda: wait_ready([running.url], LOOK_FOR)) is not None:
        is_running = await in_thread(lambda: engine.is_running(running.id))
        if not is_running:
            said = engine.last_words(running.id)
            raise ContainerError(why("ended before a kernel was ready in it", said))
        if asyncio.get_running_loop().time() > deadline:
            said = engine.last_words(running.id)
            raise ContainerError(
                why(f"had no ready kernel in {spec.ready_timeout:g} seconds", said)
            )

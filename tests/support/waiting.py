"""Wait for conditions with a time limit, and say which one did not come true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from w2z.kernel.kernel import Kernel

LONG = 10.0
"""Seconds to wait by default: far more than anything takes here, and less than a test may."""

TURN = 0.002
"""Seconds between looks at a condition that signals no change."""


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Fail, and say ``what`` did not happen, if the block takes longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise AssertionError(f"did not happen in {seconds:g} s: {what}") from None


async def until(condition: Callable[[], object], what: str, seconds: float = LONG) -> None:
    """Wait until the condition holds."""
    async with within(seconds, what):
        while not condition():
            await asyncio.sleep(TURN)


async def kernel_has(
    kernel: Kernel, condition: Callable[[], bool], what: str, seconds: float = LONG
) -> None:
    """Wait until a condition of the kernel's life or state holds, without polling."""
    assert await kernel.wait_for(condition, seconds), f"did not happen in {seconds:g} s: {what}"


async def ready(kernel: Kernel) -> None:
    """Wait until the kernel is ready."""
    await kernel_has(kernel, lambda: kernel.is_ready, "the kernel is ready")


async def lost(kernel: Kernel) -> None:
    """Wait until the kernel is no longer ready."""
    await kernel_has(kernel, lambda: not kernel.is_ready, "the kernel is ready no more")


async def busy(kernel: Kernel) -> None:
    """Wait until the kernel is busy."""
    await kernel_has(kernel, lambda: kernel.is_busy, "the kernel is busy")

"""Fake kernels, one at a time, each with the key and endpoints of the one before."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.fake_kernel import FakeKernel, fake_kernel, own_address


class Kernels:
    """Fake kernels with one connection file; ``now`` is the last one that was started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there = AsyncExitStack()
        self.now: FakeKernel

    async def start(self, session: str | None = "first") -> FakeKernel:
        place = getattr(self, "now", None)
        coming = fake_kernel(self._folder, ip=own_address(), place=place)
        self.now = await self._there.enter_async_context(coming)
        self.now.session = session
        return self.now

    async def hang_up(self) -> None:
        await self._there.aclose()

    async def replace(self, session: str | None) -> FakeKernel:
        await self.hang_up()
        return await self.start(session)

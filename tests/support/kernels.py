"""Fake kernels that follow each other in one place, and waits for how w2z sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.client import Client, request
from tests.support.fake_kernel import FakeKernel, fake_kernel, own_address
from tests.support.rest import Rest, open_rest
from tests.support.serving import TOKEN, Served
from w2z.message import Message

AUTH = f"Authorization: token {TOKEN}"
ONE = "/api/kernels/the-kernel"


class Kernels:
    """One fake kernel at a time, each with the key and endpoints of the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there = AsyncExitStack()
        self.now: FakeKernel

    async def start(self, session: str | None = "first", **more: Any) -> FakeKernel:
        """Start a kernel; ``session`` is in the headers of its replies."""
        place = getattr(self, "now", None)
        coming = fake_kernel(self._folder, ip=own_address(), place=place, **more)
        self.now = await self._there.enter_async_context(coming)
        self.now.session = session
        return self.now

    async def hang_up(self) -> None:
        """Let the kernel end; after that nothing listens in its place."""
        await self._there.aclose()

    async def replace(self, session: str | None = "second") -> FakeKernel:
        """Let the kernel end, and start another one at once."""
        await self.hang_up()
        return await self.start(session)


@asynccontextmanager
async def kernels_in(folder: Path) -> AsyncIterator[Kernels]:
    """Start a first kernel; gives the object to start others in its place."""
    made = Kernels(folder)
    await made.start()
    try:
        yield made
    finally:
        await made.hang_up()


@asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Fail, and say ``what`` did not happen, if the block takes longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} seconds: {what}") from None


@asynccontextmanager
async def rest_of(served: Served) -> AsyncIterator[Rest]:
    """Open a client of w2z's REST API."""
    async with open_rest(f"http://{served.host}:{served.port}", AUTH) as rest:
        yield rest


async def ready(rest: Rest, status: int = 200) -> None:
    """Wait until ``/readyz`` says that the kernel is ready; with 503, that it is not."""
    async with within(20, f"/readyz says {status}"):
        while (await rest.ask("GET /readyz")).status != status:
            pass


async def model_says(rest: Rest, state: str) -> None:
    """Wait until the kernel's REST model has that state."""
    async with within(10, f"the kernel's model says {state}"):
        await rest.kernel(execution_state=state)


async def asked(client: Client, kernel: FakeKernel, **more: Any) -> tuple[bytes, Message]:
    """Send an unusual request to the kernel; return its identity and message as they arrive."""
    sent = await client.send(request("odd_request", **more))
    identity, message = await kernel.received.get()
    assert json.loads(message.header) == sent
    return identity, message


async def answered(client: Client, kernel: FakeKernel) -> None:
    """Check that a request reaches the kernel and its reply reaches the client."""
    identity, message = await asked(client, kernel)
    await kernel.reply(identity, message, "odd_reply", {})
    await client.until("odd_reply", json.loads(message.header))

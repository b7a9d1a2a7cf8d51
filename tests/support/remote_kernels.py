"""Attach in the test's own event loop, and jupyter_client's own clients of its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from tests.support.serving import TOKEN
from w2z.client.attach import Attach
from w2z.client.options import Options
from w2z.client.remote import Remote
from w2z.errors import RemoteError
from w2z.kernel.connection_file import ConnectionInfo


@asynccontextmanager
async def local_client(info: ConnectionInfo, **changes: str) -> AsyncIterator[AsyncKernelClient]:
    """Open all channels of a client, without a word to the kernel."""
    context = zmq.asyncio.Context()
    client = AsyncKernelClient(context=context)
    fields: Any = info.model_dump(exclude_none=True) | {"key": info.key.encode()} | changes
    client.load_connection_info(fields)
    client.start_channels()
    try:
        yield client
    finally:
        client.stop_channels()
        context.destroy(linger=0)


async def heard(client: AsyncKernelClient, channel: str) -> dict[str, Any]:
    """Return the next message on a channel of the client."""
    message: dict[str, Any] = await getattr(client, f"get_{channel}_msg")(timeout=30)
    return message


async def heard_of(client: AsyncKernelClient, msg_type: str) -> dict[str, Any]:
    """Return the next message of that type on iopub."""
    while (message := await heard(client, "iopub"))["msg_type"] != msg_type:
        pass
    return message


class Attached:
    """An attach that runs."""

    def __init__(self, url: str, options: dict[str, Any], token: str) -> None:
        self.states: asyncio.Queue[str] = asyncio.Queue()
        self._infos: asyncio.Queue[ConnectionInfo] = asyncio.Queue()
        remote = Remote.at(url, token=token)
        self.attach = Attach(
            remote, Options(**options), bound=self._infos.put_nowait, changed=self._changed
        )
        self.info: ConnectionInfo
        self.failure: RemoteError | None = None
        self.exit_code: int | None = None
        self.over = asyncio.Event()

    def _changed(self) -> None:
        state = self.attach.state
        self.states.put_nowait(state.kernel if state.is_connected else "cut")

    async def run(self) -> None:
        try:
            self.exit_code = await self.attach.run()
        except RemoteError as error:
            self.failure = error
        self.over.set()

    async def bound(self) -> None:
        self.info = await self._infos.get()

    async def until(self, state: str) -> None:
        """Wait until attach says so: a state of the kernel, or ``cut``."""
        while await self.states.get() != state:
            pass

    async def ended(self) -> int | None:
        """Wait until it has ended by itself; return the exit code."""
        async with asyncio.timeout(20):
            await self.over.wait()
        return self.exit_code


@asynccontextmanager
async def attached(url: str, *, token: str = TOKEN, **options: Any) -> AsyncIterator[Attached]:
    """Attach to the w2z at ``url`` until the end of the block."""
    made = Attached(url, options, token)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.run())
        await made.bound()
        try:
            yield made
        finally:
            made.attach.leave()

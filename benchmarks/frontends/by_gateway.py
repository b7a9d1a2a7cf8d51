"""jupyter_server's manager of kernels behind a gateway.

``JUPYTER_GATEWAY_URL`` says where. Its websocket has no credentials, so neither has the w2z there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_server.gateway.managers import GatewayKernelManager

from benchmarks.place import PATIENCE, Opened, Place

Manager: Any = GatewayKernelManager


@contextmanager
def opened(_: Place) -> Iterator[Opened]:
    with asyncio.Runner() as runner:

        def resolve(value: Any) -> Any:
            return runner.run(_waited(value))

        manager = resolve(_made())
        resolve(manager.start_kernel())
        client = manager.client()
        resolve(client.start_channels())
        try:
            resolve(client.wait_for_ready(timeout=PATIENCE))
            yield Opened(client, resolve)
        finally:
            client.stop_channels()
            resolve(manager.shutdown_kernel())


async def _made() -> Any:
    return Manager()


async def _waited(value: Awaitable[Any]) -> Any:
    return await value

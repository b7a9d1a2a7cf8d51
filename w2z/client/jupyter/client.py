"""Clients that connect to a kernel behind w2z themselves; there is no manager.

::

    client = AsyncWebsocketKernelClient(url="http://127.0.0.1:8888/", token="...")
    client.start_channels()
    await client.wait_for_ready()

The rest is jupyter_client's. ``stop_channels`` leaves the kernel as it is.
"""

from __future__ import annotations

from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_core.utils import run_sync

from w2z.client.jupyter.remote import RemoteTraits
from w2z.client.thread import AttachThread


class RemoteKernelClient(RemoteTraits):
    """What the clients have in common; jupyter_client's methods come behind it."""

    _thread: AttachThread | None = None

    def start_channels(self, *which: bool, **named: bool) -> None:
        """Attach, and open the channels. :meth:`wait_for_ready` tells whether w2z lets us in."""
        if self._thread is None:
            self._thread = AttachThread(self.remote(), self.options(transport="ipc"))
            info = self._thread.begin()
            fields: Any = info.model_dump(exclude_none=True) | {"key": info.key.encode()}
            self.load_connection_info(fields)  # type: ignore[attr-defined]
        super().start_channels(*which, **named)  # type: ignore[misc]

    def stop_channels(self) -> None:
        """Close the channels, and end the session with w2z."""
        super().stop_channels()  # type: ignore[misc]
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    async def _async_interrupt_kernel(self) -> None:
        """Interrupt the kernel. Raises :class:`~w2z.errors.RemoteError` if it was not."""
        await self._attached().interrupt()

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers. Raises :class:`~w2z.errors.RemoteError` if it cannot be
        reached, and :class:`RuntimeError` if it does not answer within ``timeout`` seconds.
        """
        await self._attached().connected()
        await super()._async_wait_for_ready(timeout)  # type: ignore[misc]

    def _attached(self) -> AttachThread:
        if self._thread is None:
            raise RuntimeError("the channels are not open: call start_channels() first")
        return self._thread


class WebsocketKernelClient(RemoteKernelClient, BlockingKernelClient):
    """A client of a kernel behind w2z; blocking."""

    wait_for_ready = run_sync(RemoteKernelClient._async_wait_for_ready)
    interrupt_kernel = run_sync(RemoteKernelClient._async_interrupt_kernel)


class AsyncWebsocketKernelClient(RemoteKernelClient, AsyncKernelClient):
    """A client of a kernel behind w2z; for asyncio."""

    wait_for_ready = RemoteKernelClient._async_wait_for_ready
    interrupt_kernel = RemoteKernelClient._async_interrupt_kernel

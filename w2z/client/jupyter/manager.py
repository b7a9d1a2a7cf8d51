"""Managers of a kernel behind w2z, in the place of jupyter_client's own.

::

    nbclient.NotebookClient(notebook, kernel_manager_class=AsyncWebsocketKernelManager)

``start_kernel`` attaches to the kernel that is there, ``restart_kernel`` restarts it, and
``interrupt_kernel`` raises :class:`~w2z.errors.RemoteError` if it was not interrupted. What the end
means is a trait, ``on_shutdown``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager, KernelManager
from jupyter_core.utils import run_sync

from w2z.client.jupyter.in_thread import ThreadProvisioner
from w2z.client.jupyter.remote import RemoteTraits
from w2z.client.rest import Rest


class RemoteKernelManager(RemoteTraits):
    """What the managers have in common; jupyter_client's methods come behind it."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The spec of the remote kernel; before the start one with next to nothing in it."""
        if self._kernel_spec is None:
            return KernelSpec(display_name="w2z", interrupt_mode="signal")
        return self._kernel_spec

    _kernel_spec: KernelSpec | None = None
    kernel_id: Any
    provisioner: Any

    async def _async_pre_start_kernel(self, **more: Any) -> tuple[list[str], dict[str, Any]]:
        """Make the provisioner; jupyter_client would look for a local kernelspec."""
        if self.provisioner is None:
            spec = (await Rest(self.remote()).kernelspec())["spec"]
            fields = {name: spec[name] for name in ("display_name", "language") if name in spec}
            # By a signal, because its outcome can be raised; the remote's way is w2z's business.
            self._kernel_spec = KernelSpec(interrupt_mode="signal", **fields)
            self.provisioner = ThreadProvisioner(
                self, parent=self, kernel_spec=self._kernel_spec, kernel_id=self.kernel_id
            )
        found: tuple[list[str], dict[str, Any]]
        found = await super()._async_pre_start_kernel(**more)  # type: ignore[misc]
        return found


class WebsocketKernelManager(RemoteKernelManager, KernelManager):
    """Manages a kernel behind w2z; blocking. Its clients are jupyter_client's own."""

    pre_start_kernel = run_sync(RemoteKernelManager._async_pre_start_kernel)


class AsyncWebsocketKernelManager(RemoteKernelManager, AsyncKernelManager):
    """Manages a kernel behind w2z; for asyncio. Its clients are jupyter_client's own."""

    pre_start_kernel: Callable[..., Awaitable[Any]] = RemoteKernelManager._async_pre_start_kernel

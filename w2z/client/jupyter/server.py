"""The manager for a Jupyter server whose kernel is behind w2z, without a kernelspec.

::

    jupyter server --AsyncMappingKernelManager.kernel_manager_class=\
w2z.client.jupyter.server.WebsocketServerKernelManager

Only this module imports jupyter_server.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from w2z.client.jupyter.manager import RemoteKernelManager


class WebsocketServerKernelManager(RemoteKernelManager, ServerKernelManager):
    """Manages a kernel behind w2z for jupyter_server, which gets its events and restarts it."""

    # As jupyter_client binds it, which its annotation does not say.
    pre_start_kernel: Any = RemoteKernelManager._async_pre_start_kernel

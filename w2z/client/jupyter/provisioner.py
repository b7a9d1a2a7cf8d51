"""The provisioners that a kernelspec can name: a child process attaches to a remote kernel.

``kernel.json`` has ``"metadata": {"kernel_provisioner": {"provisioner_name": "w2z-remote",
"config": {"url": ...}}}``. The child is a process of its own, so that a crash, or a server that is
busy, does not touch it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Enum, Float, List, Unicode

from w2z.client.engines import docker
from w2z.client.engines.base import ABANDONED_AFTER, READY_WITHIN, ContainerSpec, Engine, Running
from w2z.client.engines.given import container_spec
from w2z.client.engines.starting import start
from w2z.client.jupyter.remote import RemoteTraits
from w2z.client.kernelspecs import address

CONTAINER_PATIENCE = 5.0
"""Seconds without a connection after which a container is taken for gone: it is on this host."""

_OPTIONS = (
    "token_file",
    "token_way",
    "ca_file",
    "client_cert",
    "client_key",
    "on_start",
    "on_shutdown",
)


class RemoteProvisioner(RemoteTraits, LocalProvisioner):  # type: ignore[metaclass]
    """``w2z-remote``: attaches to the kernel of the w2z at ``url``."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Put ``w2z attach`` in the place of the kernelspec's command.

        Raises :class:`~w2z.errors.RemoteSettingsError` for a URL or a file that cannot be used.
        """
        remote = self.remote()
        kwargs = await super().pre_launch(**kwargs)
        options = [
            text
            for name in _OPTIONS
            if (value := str(getattr(self, name)))
            for text in (f"--{name.replace('_', '-')}", value)
        ]
        file = getattr(self.parent, "connection_file", "")
        command = [sys.executable, "-m", "w2z", "attach", address(remote), "-f", file]
        kwargs["cmd"] = [*command, "--one-kernel", "--patience", str(self.patience), *options]
        if self.token:
            kwargs["env"] = {**kwargs.get("env", {}), "W2Z_TOKEN": self.token}
        return kwargs


class ContainerProvisioner(RemoteTraits, LocalProvisioner):  # type: ignore[metaclass]
    """``w2z-container``: starts a container, and attaches to its kernel.

    The container stays while the kernel is restarted in it. It is removed when the kernel is shut
    down, and ends by itself when nobody is attached any more. One that is gone is dead.
    """

    image = Unicode("", config=True, help="The image of the container.")
    layer = Unicode(None, allow_none=True, config=True, help="An image with /opt/w2z.")
    command = Unicode(None, allow_none=True, config=True, help="The container's command.")
    env = List(Unicode(), config=True, help="Variables, each NAME=VALUE.")
    mount = List(Unicode(), config=True, help="Mounts, each SOURCE:TARGET[:ro].")
    cpus = Float(None, allow_none=True, config=True, help="Processors.")
    memory = Unicode(None, allow_none=True, config=True, help="Memory, such as 512M.")
    pull = Enum(["missing", "always", "never"], "missing", config=True, help="When to fetch it.")
    engine = Enum(["auto", "docker", "podman"], "auto", config=True, help="The engine.")
    ready_timeout = Float(READY_WITHIN, config=True, help="Seconds until the kernel is ready.")
    abandoned_after = Float(
        ABANDONED_AFTER, config=True, help="Seconds without a client until the container ends."
    )

    _found: Engine | None = None
    _running: Running | None = None
    _spec: ContainerSpec

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Start the container, if there is none yet, and put ``w2z attach`` in the place of the
        kernelspec's command. Raises :class:`~w2z.errors.ContainerError`.
        """
        engine, running = self._found, self._running
        if engine is None:
            name: Any = self.engine
            engine = self._found = await asyncio.to_thread(docker.engine, name)
        if running is None or not await asyncio.to_thread(engine.is_running, running.id):
            names = ("layer", "command", "env", "mount", "cpus", "memory", "pull")
            more = {name: getattr(self, name) for name in (*names, "ready_timeout")}
            self._spec = container_spec(self.image, **more, abandoned_after=self.abandoned_after)
            running = self._running = await start(engine, self._spec)
        kwargs = await super().pre_launch(**kwargs)
        file = getattr(self.parent, "connection_file", "")
        command = [sys.executable, "-m", "w2z", "attach", running.url, "-f", file]
        kwargs["cmd"] = [*command, "--one-kernel", "--patience", str(CONTAINER_PATIENCE)]
        kwargs["env"] = {**kwargs.get("env", {}), "W2Z_TOKEN": self._spec.token}
        return kwargs

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the container, unless the kernel is restarted in it."""
        await super().cleanup(restart=restart)
        found, running = self._found, self._running
        if restart or found is None:
            return
        self._found = self._running = None
        if running is not None:
            await asyncio.to_thread(found.stop, running.id)
        await asyncio.to_thread(found.close)

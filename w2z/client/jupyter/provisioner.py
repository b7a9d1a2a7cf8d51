"""The provisioners that a kernelspec can name: a child process attaches to a remote kernel.

``kernel.json`` has ``"metadata": {"kernel_provisioner": {"provisioner_name": "w2z-remote",
"config": {"url": ...}}}``. The child is a process of its own, so that a crash, or a server that is
busy, does not touch it.
"""

from __future__ import annotations

import sys
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from w2z.client.jupyter.remote import RemoteTraits
from w2z.client.kernelspecs import address

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

"""A provisioner whose process is a thread: attach, in the process of the manager itself.

https://jupyter-client.readthedocs.io/en/stable/provisioning.html
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from w2z.client.jupyter.remote import RemoteTraits
from w2z.client.local import KEY_SIZE
from w2z.client.thread import AttachThread
from w2z.errors import RemoteError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel


class ThreadProvisioner(KernelProvisionerBase):
    """Attaches to the remote kernel that is ``wanted``.

    It has the same sockets and the same key after a restart, so clients stay connected.
    """

    def __init__(self, wanted: RemoteTraits, **more: Any) -> None:
        super().__init__(**more)
        self._wanted = wanted
        self._thread: AttachThread | None = None
        self._folder: Path | None = None
        self._key = secrets.token_hex(KEY_SIZE)

    @property
    def has_process(self) -> bool:
        """Whether the thread runs, or its end has not been taken note of."""
        return self._thread is not None

    async def poll(self) -> int | None:
        """Return the exit code; ``None`` while the thread runs."""
        return 0 if self._thread is None else self._thread.exit_code

    async def wait(self) -> int | None:
        """Wait until the thread has ended, and return its exit code."""
        thread, self._thread = self._thread, None
        if thread is None:
            return 0
        # It ends within seconds, whatever happens: jupyter_client calls this when it has, or soon.
        await asyncio.to_thread(thread.join)
        return thread.exit_code

    async def send_signal(self, signum: int) -> None:
        """Do what a signal means. Raises :class:`~w2z.errors.RemoteError` for a SIGINT that did not
        interrupt the kernel.

        jupyter_client interrupts each kernel before it shuts it down. Then nothing is raised, and a
        kernel that stays is left in peace.
        """
        thread = self._thread
        if thread is None or not thread.is_alive:
            return
        if signum != signal.SIGINT:
            thread.on_signal(signum)
            return
        is_ending = getattr(self.parent, "shutting_down", False)
        if is_ending and self._wanted.on_shutdown == "detach":
            return
        try:
            await thread.interrupt()
        except RemoteError:
            if not is_ending:
                raise

    async def kill(self, restart: bool = False) -> None:
        """End the thread; the kernel stays as it is."""
        if self._thread is not None:
            self._thread.leave()

    async def terminate(self, restart: bool = False) -> None:
        """End the thread as SIGTERM ends ``w2z attach``."""
        await self.send_signal(signal.SIGTERM)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Return the arguments for :meth:`launch_kernel`: there is no command."""
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Attach; returns when the kernel can be reached.

        Raises :class:`~w2z.errors.W2zError` if it cannot.
        """
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="w2z-"))
        ports = {f"{channel}_port": number for number, channel in enumerate(Channel, 1)}
        ip = str(self._folder / "kernel")
        fields = {"transport": "ipc", "ip": ip, "signature_scheme": "hmac-sha256", **ports}
        info = ConnectionInfo.model_validate({**fields, "key": self._key})
        self._thread = AttachThread(
            self._wanted.remote(), self._wanted.options(one_kernel=True), info
        )
        try:
            await self._thread.start()
        except BaseException:
            self._thread = None
            await self.cleanup()
            raise
        found: Any = {**fields, "key": self._key.encode()}
        self.connection_info = found
        return cast(KernelConnectionInfo, found)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the directory of the sockets, unless they are needed again."""
        if not restart and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

"""jupyter_client's own manager, on any kernelspec: that of a local kernel, or of ``w2z attach``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jupyter_client.manager import KernelManager

from benchmarks.place import PATIENCE, Opened, Place


@contextmanager
def opened(place: Place) -> Iterator[Opened]:
    manager: Any = KernelManager(kernel_name=place.kernelspec)
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        # A local kernel's process is the kernel itself, and not what leads to it.
        is_remote = "attach" in manager.kernel_spec.argv
        yield Opened(client, helper=manager.provisioner.pid if is_remote else None)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()

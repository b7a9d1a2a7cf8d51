"""jupyter_kernel_client, with the websocket of a Jupyter server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_kernel_client.manager import KernelHttpManager

from benchmarks.place import PATIENCE, Opened, Place


@contextmanager
def opened(place: Place) -> Iterator[Opened]:
    manager = KernelHttpManager(place.url.rstrip("/"), place.token)
    manager.start_kernel("any")
    client = manager.client
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        yield Opened(client)
    finally:
        client.stop_channels()

"""w2z's manager, in a thread of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.place import PATIENCE, Opened, Place
from w2z.client.jupyter.manager import WebsocketKernelManager


@contextmanager
def opened(place: Place) -> Iterator[Opened]:
    manager = WebsocketKernelManager(url=place.url, token=place.token)
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        yield Opened(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()

"""The kernel to serve and who keeps it: found by its connection file, or about to be started."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
import uuid
from codecs import getincrementaldecoder
from collections.abc import Callable
from pathlib import Path

from w2z.bridge.bridge import Bridge
from w2z.errors import SettingsError
from w2z.kernel import connection_file
from w2z.kernel.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.keeping.attached import Attached
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.keeping.launched import Launched, Limits
from w2z.kernel.process.children import Children, prepare_process
from w2z.kernel.process.command import Command, from_spec
from w2z.kernel.process.endpoints import Endpoints
from w2z.kernel.process.specs import InstalledSpecs
from w2z.serve.budget import ShutdownBudget
from w2z.serve.stop import Stop
from w2z.settings import Settings

log = logging.getLogger("w2z")

FILE_POLL_INTERVAL = 0.05
"""Seconds between looks for a connection file that is not whole yet."""

KERNELSPEC_TIMEOUT = 20.0
"""Seconds to look for the kernelspec that is to be started; without it there is no kernel."""


async def kernel(
    settings: Settings,
    budget: ShutdownBudget,
    stop: Stop,
    children: Children,
    stack: contextlib.AsyncExitStack,
) -> tuple[Bridge, Keeper, InstalledSpecs] | None:
    """The kernel to serve, found or about to be started, who keeps it, and the kernelspecs.

    What it needs is entered into ``stack``. ``None`` when stopped before.
    """
    installed = InstalledSpecs()
    command = None
    if settings.starts_kernel:
        command = await command_to_run(settings, installed, stop)
        if command is None:
            return None
        prepare_process()
        endpoints = stack.enter_context(
            Endpoints(settings.connection_file, settings.transport, command.kernel_name)
        )
        path, info = endpoints.path, endpoints.info
    else:
        path = settings.connection_file or Path()
        found = await wait_for_file(path, settings.wait, stop)
        if found is None:
            return None
        info = found
    bridge = await stack.enter_async_context(Bridge(settings, info, _kernel_id(settings, info)))
    if command is None:
        return bridge, attached(settings, bridge, path, info, installed), installed
    keeper = Launched(
        bridge.kernel,
        children,
        command,
        endpoints,
        Limits(settings.ready_timeout, settings.restart_limit),
        ending=budget.ending,
        interrupt_mode=settings.interrupt_mode,
        listen=printer(bridge) if settings.forward_output else None,
    )
    return bridge, keeper, installed


def attached(
    settings: Settings, bridge: Bridge, path: Path, info: ConnectionInfo, installed: InstalledSpecs
) -> Attached:
    """The keeper of a kernel that somebody else started."""
    return Attached(
        bridge.kernel,
        path,
        info,
        interrupt_mode=settings.interrupt_mode,
        find_spec_mode=lambda: installed.interrupt_mode(bridge.kernel.name),
    )


async def wait_for_file(path: Path, seconds: float, stop: Stop) -> ConnectionInfo | None:
    """Read the connection file as soon as it is whole; ``None`` when stopped before.

    Raises :class:`~w2z.errors.ConnectionFileError` when it is wrong, or still not there or not
    whole after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    said = False
    while True:
        try:
            return connection_file.read(path)
        except Unfinished as error:
            if time.monotonic() >= deadline:
                raise Unfinished(f"{error} (waited {seconds:g} s: see --wait)") from None
            if not said:
                log.info("waiting for the connection file: %s", error)
                said = True
        if await stop.wait(FILE_POLL_INTERVAL):
            return None


def printer(bridge: Bridge) -> Callable[[str, bytes], None]:
    """What a kernel's process prints, to clients; called in a thread, which waits for it."""
    loop = asyncio.get_running_loop()
    decoders = {name: getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}

    def listen(name: str, data: bytes) -> None:
        text = decoders[name].decode(data)
        is_carried = threading.Event()

        def carry() -> None:
            bridge.printed(name, text)
            is_carried.set()

        with contextlib.suppress(RuntimeError):  # w2z is ending
            loop.call_soon_threadsafe(carry)
            is_carried.wait()

    return listen


async def command_to_run(
    settings: Settings, installed: InstalledSpecs, stop: Stop
) -> Command | None:
    """What to start as a kernel; ``None`` when stopped before that is known.

    Raises :class:`~w2z.errors.SettingsError` when there is no such kernelspec, or it is not found
    in :data:`KERNELSPEC_TIMEOUT`.
    """
    if settings.kernel is None:
        return Command(settings.command)
    deadline = time.monotonic() + KERNELSPEC_TIMEOUT
    while True:
        with contextlib.suppress(TimeoutError):
            found = await installed.get(settings.kernel, FILE_POLL_INTERVAL)
            break
        if await stop.wait(0):
            return None
        if time.monotonic() >= deadline:
            raise SettingsError(
                f"--kernel: looking for kernelspecs takes longer than {KERNELSPEC_TIMEOUT:g} s"
            )
    if found is not None:
        return from_spec(found)
    there = ", ".join(await installed.names()) or "none"
    raise SettingsError(
        f"--kernel: no kernelspec is called {settings.kernel!r}; installed: {there}"
    )


def _kernel_id(settings: Settings, info: ConnectionInfo) -> str:
    """The same again after a restart of w2z: see :func:`w2z.kernel.connection_file.kernel_id`."""
    if settings.kernel_id is not None:
        return settings.kernel_id
    path = settings.connection_file
    if path is None or (settings.starts_kernel and not connection_file.names_kernel(path)):
        # The key is a new one each time.
        place = f"{socket.gethostname()}/{path or info.kernel_name or settings.command}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jupyter-kernel:{place}"))
    return connection_file.kernel_id(info, path)

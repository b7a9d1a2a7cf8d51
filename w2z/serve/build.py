"""Make the kernel to serve and its keeper: attached by a connection file, or launched."""

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
from functools import partial
from pathlib import Path

import zmq

from w2z.bridge.bridge import Bridge
from w2z.errors import SettingsError
from w2z.kernel import connection_file
from w2z.kernel.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.keeping.attached import Attached
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.keeping.launched import Launched, Limits
from w2z.kernel.process.children import Children, prepare_process
from w2z.kernel.process.command import Command, from_spec
from w2z.kernel.process.endpoints import Endpoints, NoUnixSockets
from w2z.kernel.process.owner import owner_from
from w2z.kernel.process.specs import InstalledSpecs
from w2z.logs.lines import KernelLines
from w2z.serve.budget import ShutdownBudget
from w2z.serve.stop import Stop
from w2z.settings import Settings
from w2z.threads import begin

log = logging.getLogger("w2z")

FILE_POLL_INTERVAL = 0.05
"""Seconds between attempts to read a connection file that is not whole yet; also between looks at
the lookup of a kernelspec.
"""

KERNELSPEC_TIMEOUT = 20.0
"""Seconds to look up the kernelspec of the kernel to start, which w2z cannot do without."""


async def kernel(
    settings: Settings,
    budget: ShutdownBudget,
    stop: Stop,
    children: Children,
    stack: contextlib.AsyncExitStack,
) -> tuple[Bridge, Keeper, InstalledSpecs] | None:
    """Make the kernel to serve, with its bridge, its keeper, and the installed kernelspecs.

    A kernel to launch is not started here: the keeper's ``run`` does that. What has to be closed is
    entered into ``stack``. Returns ``None`` when ``stop`` happens first.
    """
    installed = InstalledSpecs()
    command = None
    if settings.starts_kernel:
        command = await command_to_run(settings, installed, stop)
        if command is None:
            return None
        prepare_process()
        endpoints = stack.enter_context(endpoints_for(settings, command))
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
        style=lambda stream: KernelLines(settings.log_format, stream, time.time),
    )
    return bridge, keeper, installed


def endpoints_for(settings: Settings, command: Command) -> Endpoints:
    """Make the endpoints of the kernel to start, and its connection file, as ``--transport`` says.

    Raises :class:`~w2z.errors.ConnectionFileError` where that cannot be done, and
    :class:`~w2z.errors.SettingsError` where w2z cannot run the kernel as another user.
    """
    path, name = settings.connection_file, command.kernel_name
    owner = owner_from(settings.kernel_uid)
    file = settings.token_file
    if file is not None and (owner is None or owner.may_read(file)):
        log.warning(
            "code in the kernel can read the token file: start w2z as root, with --kernel-uid and a"
            " file of mode 0400, or give the token by --token-fd"
        )
    if settings.transport == "ipc":
        return Endpoints(path, "ipc", name, owner)
    if settings.transport == "auto" and command.takes_unix_sockets:
        try:
            return Endpoints(path, "ipc", name, owner)
        except NoUnixSockets as error:
            log.warning("the kernel listens on TCP ports of the loopback interface: %s", error)
    has_curve = command.takes_curve and zmq.has("curve")
    return Endpoints(path, "tcp", name, owner, has_curve=has_curve)


def attached(
    settings: Settings, bridge: Bridge, path: Path, info: ConnectionInfo, installed: InstalledSpecs
) -> Attached:
    """Make the keeper of a kernel that somebody else started."""
    return Attached(
        bridge.kernel,
        path,
        info,
        interrupt_mode=settings.interrupt_mode,
        find_spec_mode=lambda: installed.interrupt_mode(bridge.kernel.name),
    )


async def wait_for_file(path: Path, seconds: float, stop: Stop) -> ConnectionInfo | None:
    """Read the connection file as soon as it is whole; ``None`` when ``stop`` happens first.

    Raises :class:`~w2z.errors.ConnectionFileError` when the file is invalid, or still missing or
    unfinished after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    said = False
    while True:
        # In a thread: a signal ends w2z even while a network drive does not answer.
        look = begin(partial(connection_file.read, path))
        while not (await asyncio.wait({look}, timeout=FILE_POLL_INTERVAL))[0]:
            if await stop.wait(0):
                return None
        try:
            return look.result()
        except Unfinished as error:
            if time.monotonic() >= deadline:
                raise Unfinished(f"{error} (waited {seconds:g} s: see --wait)") from None
            if not said:
                log.info("waiting for the connection file: %s", error)
                said = True
        if await stop.wait(FILE_POLL_INTERVAL):
            return None


def printer(bridge: Bridge) -> Callable[[str, bytes], None]:
    """Make a listener that carries what a kernel's process prints to clients.

    It is called in the thread of the output, and blocks it until the event loop has carried that.
    """
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
    """Return the command that starts the kernel; ``None`` when ``stop`` happens first.

    Raises :class:`~w2z.errors.SettingsError` when there is no such kernelspec, w2z cannot start its
    kernels, or the lookup takes longer than :data:`KERNELSPEC_TIMEOUT`.
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
    """Return the kernel's id, which is the same after a restart of w2z at the same port.

    See :func:`w2z.kernel.connection_file.kernel_id`.
    """
    if settings.kernel_id is not None:
        return settings.kernel_id
    path = settings.connection_file
    if path is None or (settings.starts_kernel and not connection_file.names_kernel(path)):
        if not settings.port:
            # Where it listens next time is not known, and w2z may run here more than once.
            return str(uuid.uuid4())
        # Not from the key: each start of w2z makes a new one.
        what = path or info.kernel_name or settings.command
        place = f"{socket.gethostname()}:{settings.port}{settings.base_url}/{what}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jupyter-kernel:{place}"))
    return connection_file.kernel_id(info, path)

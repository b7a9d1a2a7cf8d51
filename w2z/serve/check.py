"""What ``w2z serve`` would find: the kernel, the token, the address, its files. Nothing is started.

Each look yields a :class:`Finding`. Only those that would end w2z are mistakes.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from w2z.errors import ExitCode, StartupError
from w2z.hosts import openable
from w2z.kernel import connection_file
from w2z.kernel.connection_file import Unfinished
from w2z.kernel.process.specs import InstalledSpecs
from w2z.message import Channel
from w2z.serve.build import command_to_run
from w2z.serve.place import listening_host
from w2z.serve.stop import Stop
from w2z.server.access.token import token_source
from w2z.server.addresses import listening_sockets
from w2z.settings import Settings
from w2z.threads import in_thread

CONNECT_WITHIN = 2.0
"""Seconds that a kernel has to accept a connection."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. A ``code`` other than 0 is the one w2z would end with."""

    text: str
    code: int = ExitCode.OK
    is_doubtful: bool = False
    """Whether w2z goes on, and somebody should look."""


async def check(settings: Settings, *, in_container: bool) -> AsyncIterator[Finding]:
    """Yield what is found, in the order in which ``w2z serve`` would find it."""
    for look in (_token, _spill, _audit):
        yield await in_thread(partial(look, settings))
    yield await (_command(settings) if settings.starts_kernel else _file(settings))
    yield await _listen(settings, in_container=in_container)


def _token(settings: Settings) -> Finding:
    try:
        _, generated = token_source(settings)
    except StartupError as error:
        return Finding(str(error), error.exit_code)
    if settings.no_auth:
        return Finding("no token: whoever reaches the port can run code", is_doubtful=True)
    if generated is not None:
        return Finding("the token is generated at each start, and shown on a terminal alone")
    return Finding("the token is there")


def _spill(settings: Settings) -> Finding:
    folder = settings.spill_dir or Path(tempfile.gettempdir())
    if not settings.spill_size:
        return Finding("no temporary files: --spill-size is 0")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding(f"temporary files can be written to {folder}")
    except OSError as error:
        told = f"temporary files cannot be written to {folder}: {error.strerror}; slow clients lose"
        return Finding(f"{told} output sooner", is_doubtful=True)


def _audit(settings: Settings) -> Finding:
    path = settings.audit_log
    if path is None:
        return Finding("no audit log")
    try:
        with path.open("ab"):
            return Finding(f"the audit log {path} can be written")
    except OSError as error:
        return Finding(f"audit log {path}: {error.strerror}", ExitCode.USAGE)


async def _command(settings: Settings) -> Finding:
    try:
        command = await command_to_run(settings, InstalledSpecs(), Stop())
    except StartupError as error:
        return Finding(str(error), error.exit_code)
    program = "" if command is None else command.argv[0]
    if shutil.which(program) is None:
        return Finding(f"the kernel's program is not there: {program}", ExitCode.KERNEL_ENDED)
    return Finding(f"the kernel is started by {program}")


async def _file(settings: Settings) -> Finding:
    path = settings.connection_file or Path()
    try:
        info = await in_thread(partial(connection_file.read, path))
    except Unfinished as error:
        return Finding(f"{error}: w2z waits {settings.wait:g} s (--wait)", is_doubtful=True)
    except StartupError as error:
        return Finding(str(error), error.exit_code)
    where = info.endpoint(Channel.SHELL)
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            if info.transport == "ipc":
                _, writer = await asyncio.open_unix_connection(where.removeprefix("ipc://"))
            else:
                _, writer = await asyncio.open_connection(info.host.strip("[]"), info.shell_port)
    except (OSError, TimeoutError) as error:
        return Finding(
            f"no kernel accepts at {where}: {str(error) or 'no answer'}", is_doubtful=True
        )
    writer.close()
    return Finding(f"a kernel accepts at {where}")


async def _listen(settings: Settings, *, in_container: bool) -> Finding:
    host, _ = listening_host(settings.host, in_container=in_container)
    try:
        sockets = await listening_sockets(host, settings.port)
    except StartupError as error:
        return Finding(str(error), error.exit_code)
    for one in sockets:
        one.close()
    who = "anybody who reaches it" if settings.no_auth else "whoever reaches it and has the token"
    if openable(host) == host and host.startswith(("127.", "::1", "localhost")):
        who = who.replace("reaches it", "is on this machine")
    elif in_container:
        who += "; from outside the container only where its port is published"
    return Finding(f"{host} port {settings.port} is free, and would let in {who}")

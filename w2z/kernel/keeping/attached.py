"""A kernel that somebody else starts: in this container, or in one that shares its files.

w2z notices when its connection file is written anew, when it hangs up, and when it or another is
back; it never starts one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from w2z.errors import ConnectionFileError, KernelNotInterrupted, KernelSilent
from w2z.kernel import connection_file
from w2z.kernel.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.keeping import keeper
from w2z.kernel.keeping.keeper import Host, Keeper
from w2z.kernel.keeping.listening import is_refused, shell_owner
from w2z.kernel.keeping.policy import Liveness, Suspicion

log = logging.getLogger("w2z")

END_TIMEOUT = 5.0
"""Seconds a kernel has to answer a shutdown_request."""

INTERRUPTED_WITHIN = 0.5
"""Seconds an interrupted kernel has before it is told to end."""

LAST_WORDS = 0.5
"""Seconds within which the end of a kernel's connections is noticed."""

LOOK = 0.25
"""Seconds between looks at the connection file and at the kernel."""


class Attached(Keeper):
    """Watches the kernel of the connection file at ``path``, which was read as ``info``."""

    owned = False

    def __init__(
        self,
        host: Host,
        path: Path,
        info: ConnectionInfo,
        *,
        interrupt_mode: str | None,
        find_spec_mode: Callable[[], Awaitable[str | None]],
    ) -> None:
        super().__init__(host, interrupt_mode)
        self._path = path
        self._info = info
        self._find_spec_mode = find_spec_mode
        # The file may have changed since it was read.
        self._stamp: tuple[int, int, int] | None = None
        self._liveness = Liveness(time.monotonic())
        self._is_wanted_back = False
        self._hung_up = asyncio.Event()

    async def run(self) -> int:
        """Watch; never returns."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._hung_up.wait()
            if self._hung_up.is_set():
                await self._leave()
            self._look_at_file()
            await self._follow_suspicion()

    def on_open(self) -> None:
        """A kernel is there; clients hear of it before it hears of them."""
        if not self._liveness.on_there() or self._is_wanted_back:
            return
        if not self.host.conversation.is_same_kernel:
            # What the one before was running when it went has no end of its own.
            self.host.announce("restarting", "another kernel has taken its place")
            self.host.announce("idle")

    def on_lost(self) -> None:
        """The kernel hung up: requests wait for whoever is there next."""
        if self._liveness.on_lost(time.monotonic()):
            self.host.hold()
            self._hung_up.set()

    @property
    def is_silent(self) -> bool:
        """Whether the kernel does not answer heartbeats any more; busy ones may not."""
        return self._liveness.is_silent

    async def _leave(self) -> None:
        """Carry what the kernel said last, then talk to whoever is there next."""
        log.info("the kernel hung up")
        await self.host.last_words(LAST_WORDS)
        self._hung_up.clear()
        self.host.connect(self._info)

    def on_echo(self) -> None:
        """The kernel's heartbeat answered w2z."""
        self._liveness.on_echo()

    async def restart(self) -> None:
        """Ask the kernel to end, and wait until another has taken its place."""
        conversation = self.host.conversation
        async with self.restarting:
            await self.stop_running(INTERRUPTED_WITHIN)
            conversation.expect_another_kernel()
            self.host.mark("restarting")
            self._is_wanted_back = True
            try:
                with contextlib.suppress(KernelSilent):
                    await conversation.ask("shutdown_request", {"restart": True}, END_TIMEOUT)
                if not await conversation.wait_ready(keeper.RESTART_TIMEOUT):
                    raise KernelSilent(
                        f"no other kernel was there {keeper.RESTART_TIMEOUT:g} seconds after the"
                        " kernel was asked to end; w2z did not start it and cannot start another"
                    )
            finally:
                # Also when whoever asked for it does not wait any more.
                self._is_wanted_back = False
                conversation.accept_same_kernel()

    async def end(self) -> None:
        """Ask the kernel to end; one that says nothing is left alone."""
        await self.stop_running(INTERRUPTED_WITHIN)
        with contextlib.suppress(KernelSilent):
            await self.host.conversation.ask("shutdown_request", {"restart": False}, END_TIMEOUT)

    async def stop(self) -> None:
        """Leave the kernel running: it is its starter's."""

    def hurry(self) -> None:
        """There is nothing to wait for."""

    def forward(self, number: int) -> None:
        """The kernel is its starter's to signal."""
        log.info("%s: not passed on, w2z did not start the kernel", signal.Signals(number).name)

    def on_shutdown_request(self, *, restart: bool) -> None:
        """Whoever started the kernel may start another."""

    async def spec_mode(self) -> str | None:
        """Look for an installed spec of the name in the connection file."""
        return await self._find_spec_mode() if self._info.kernel_name else None

    def send_interrupt_signal(self) -> None:
        """Signal the process that listens at the shell port."""
        pid = shell_owner(self._info)
        if pid is None:
            raise KernelNotInterrupted(
                "the kernel's process cannot be seen from here, and it takes no message to"
                " interrupt it: share the process namespace (shareProcessNamespace in a Pod) and"
                " the user, or let w2z start the kernel (w2z --kernel, or w2z -- COMMAND)"
            )
        try:
            os.kill(pid, signal.SIGINT)
        except OSError as error:
            raise KernelNotInterrupted(
                f"the kernel's process may not be signalled: {error.strerror}; run w2z and the"
                " kernel as the same user"
            ) from None

    def _look_at_file(self) -> None:
        """Move on to another kernel when the file tells of one; half a file tells nothing yet."""
        stamp = _stamp(self._path)
        if stamp in (None, self._stamp):
            return
        try:
            info = connection_file.read(self._path)
        except Unfinished:
            return
        except ConnectionFileError as error:
            log.warning("the connection file changed to one that cannot be used: %s", error)
            self._stamp = stamp
            return
        self._stamp = stamp
        if info != self._info:
            log.info("the connection file changed: on to another kernel")
            self._info = info
            self._liveness.on_lost(time.monotonic())
            self.host.connect(info)

    async def _follow_suspicion(self) -> None:
        """Do what the kernel's silence asks for."""
        if self._is_wanted_back:
            return
        suspicion = self._liveness.poll(time.monotonic())
        if suspicion is Suspicion.BEAT:
            self.host.conversation.beat()
        elif suspicion is Suspicion.PROBE and await is_refused(self._info):
            if not self._liveness.is_gone:
                self.on_lost()
            elif self._liveness.on_refused(time.monotonic()):
                log.warning("the kernel is dead: nobody listens on its ports")
                self.host.announce("dead", "the kernel ended")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written again; ``None`` when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

"""The keeper of a kernel that somebody else starts, in this container or one that shares its files.

The keeper notices when the connection file is written anew, when the kernel hangs up, and when the
same or another kernel is back. It never starts a kernel.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from w2z.errors import ConnectionFileError, KernelNotInterrupted, KernelSilent
from w2z.kernel import connection_file
from w2z.kernel.actions import Found, Leave, Probe
from w2z.kernel.connection_file import ConnectionInfo, Unfinished
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.keeping.listening import find_shell_owner, probe
from w2z.kernel.kernel import Kernel
from w2z.kernel.sockets.options import check_endpoints
from w2z.kernel.transitions import State
from w2z.threads import begin

log = logging.getLogger("w2z")

INTERRUPTED_WITHIN = 2.0
"""Seconds an interrupted kernel gets to become idle before w2z asks it to end."""


class Attached(Keeper):
    """The keeper of an attached kernel. ``info`` was read from its connection file at ``path``.

    ``find_spec_mode`` looks up the ``interrupt_mode`` of the kernel's spec.
    """

    owned = False

    def __init__(
        self,
        kernel: Kernel,
        path: Path,
        info: ConnectionInfo,
        *,
        interrupt_mode: str | None,
        find_spec_mode: Callable[[], Awaitable[str | None]],
    ) -> None:
        super().__init__(kernel, interrupt_mode)
        self._path = path
        self._info = self._served = info
        self._find_spec_mode = find_spec_mode
        # None: the first look reads the file again, which may have changed since it was read.
        self._stamp: Stamp | None = None
        self._look: asyncio.Future[Seen | None] | None = None

    async def run(self) -> int:
        """Watch the kernel and its connection file. Never returns."""
        timing = self.kernel.timing
        async with asyncio.TaskGroup() as tasks:
            probing: asyncio.Task[None] | None = None
            while True:
                self.kernel.poll()
                pause = timing.look if self.kernel.is_ready else min(timing.tick, timing.look)
                task = await self.kernel.next_task(pause)
                if isinstance(task, Leave):
                    await self._leave()
                elif isinstance(task, Probe) and (probing is None or probing.done()):
                    # In a task of its own: when a host is gone, a probe waits until it times out.
                    probing = tasks.create_task(self._probe(task.number))
                self._look_at_file()

    async def restart(self) -> None:
        """Ask the kernel to end, and wait until another kernel is ready in its place.

        Raises :class:`~w2z.errors.KernelSilent` when none is ready within ``timing.restart``.
        """
        kernel, life = self.kernel, self.kernel.life
        async with self.restarting:
            before = life.session
            if not life.is_there:
                # Send nothing while no kernel is there: the next kernel would receive it.
                await self._until_ready()
                if life.session != before:
                    return
            kernel.do(life.ask_to_end(kernel.now()))
            try:
                await self._make_way()
                await self._until_ready()
            finally:
                if life.state is State.ENDING:
                    kernel.do(life.stay(kernel.now()))

    async def end(self) -> None:
        """Ask the kernel to end, if one is there. A kernel that does not answer is left alone."""
        if self.kernel.life.is_there:
            await self.stop_running(INTERRUPTED_WITHIN)
            await self.kernel.ask_to_end(restart=False)

    async def stop(self) -> None:
        """Leave the kernel running, because w2z did not start it."""

    def hurry(self) -> None:
        """Do nothing: :meth:`stop` returns at once."""

    def forward(self, number: int) -> None:
        """Only log the signal, because w2z did not start the kernel."""
        log.info("%s: not passed on, w2z did not start the kernel", signal.Signals(number).name)

    async def spec_mode(self) -> str | None:
        """Look up the installed spec that the connection file names, if it names one."""
        return await self._find_spec_mode() if self._info.kernel_name else None

    async def send_interrupt_signal(self) -> None:
        """Send SIGINT to the process that listens at the kernel's shell endpoint.

        Raises :class:`~w2z.errors.KernelNotInterrupted` where w2z cannot see or signal it.
        """
        pid = await find_shell_owner(self.kernel.connection_info)
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

    async def _make_way(self) -> None:
        """Ask the kernel to end; from then on only another kernel counts as ready."""
        kernel = self.kernel
        # Before the mark: a marked kernel does not count as busy and would not be interrupted.
        await self.stop_running(INTERRUPTED_WITHIN)
        if kernel.life.state is State.ENDING:  # no other kernel has come meanwhile
            kernel.mark("restarting")
            # Before the request, whose reply says which kernel is to go.
            kernel.do(kernel.life.expect_another(kernel.now()))
            await kernel.ask_to_end(restart=True)

    async def _until_ready(self) -> None:
        seconds = self.kernel.timing.restart
        if not await self.kernel.wait_ready(seconds):
            raise KernelSilent(
                f"no other kernel was there {seconds:g} seconds after it was asked for; w2z did"
                " not start the kernel and cannot start another"
            )

    async def _leave(self) -> None:
        """Receive the kernel's last words, then keep the link, or connect to the next kernel."""
        log.info("the kernel hung up")
        channels = self.kernel.link.channels
        is_same_place = self._info == self._served
        seconds = self.kernel.timing.last_words
        await channels.last_words(seconds, 10 * seconds, has_ended=is_same_place)
        if channels.is_unbroken and is_same_place:
            # Only iopub's connection broke. Replies under way on the other sockets still arrive,
            # and the kernel might not let new sockets have their identities.
            self.kernel.keep_link()
        else:
            self._serve(self._info)

    def _serve(self, info: ConnectionInfo) -> None:
        """Connect to ``info``: the connection file's content, perhaps at another address."""
        self._served = self._info
        self.kernel.reconnect(info)

    async def _probe(self, number: int) -> None:
        kernel, life, info = self.kernel, self.kernel.life, self._info
        found, where = await probe(info, kernel.timing.probe_timeout)
        if found is not Found.LISTENING or where.ip == kernel.connection_info.ip:
            kernel.do(life.on_probe(number, found, kernel.now()))
        elif info == self._info and not (life.takes_requests or life.is_leaving):
            # The host name has several addresses, and the kernel listens at another one.
            self._serve(where)

    def _look_at_file(self) -> None:
        """Leave for another kernel when the connection file has changed and is whole again.

        The file is looked at in a thread, and what came of that counts here, in the keeper's task:
        a drive that does not answer holds up nothing, and the file changes at no other moment.
        """
        if self._look is not None and self._look.done():
            seen, self._look = self._look.result(), None
            if seen is not None:
                self._take(seen)
        if self._look is None:
            self._look = begin(partial(_look_at, self._path, self._stamp))
            self._look.add_done_callback(self._on_look)

    def _on_look(self, look: asyncio.Future[Seen | None]) -> None:
        if not look.cancelled() and (look.exception() or look.result()):
            self.kernel.wake()

    def _take(self, seen: Seen) -> None:
        self._stamp, info, problem = seen
        if info is None:
            log.warning("the connection file changed to one that cannot be used: %s", problem)
        elif info != self._info:
            log.info("the connection file changed: on to another kernel")
            self._info = info
            self.kernel.on_hung_up()
            if not self.kernel.life.is_leaving:
                # No kernel was there, so there are no last words to wait for.
                self._serve(info)


Stamp = tuple[int, int, int]
"""Inode, time and size of a file, which change when it is written."""

Seen = tuple[Stamp, ConnectionInfo | None, str]
"""A file's stamp, its content, and if that cannot be used the problem in its place."""


def _look_at(path: Path, before: Stamp | None) -> Seen | None:
    """Read the file if its stamp is another than ``before``; ``None`` if there is nothing new.

    What is missing or unfinished is nothing new: the next look reads it again.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    stamp = status.st_ino, status.st_mtime_ns, status.st_size
    if stamp == before:
        return None
    try:
        info = connection_file.read(path)
        check_endpoints(info)
    except Unfinished:
        return None
    except ConnectionFileError as error:
        return stamp, None, str(error)
    return stamp, info, ""

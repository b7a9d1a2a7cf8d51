"""The keeper of a kernel that w2z starts: it restarts a crashed kernel, and ends it with w2z.

Only the task that runs :meth:`Launched.run` starts the process and follows it to its end. The other
methods set what is wanted of the process, and wait until that task has done it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from w2z.errors import KernelEnded, KernelNeverReady, KernelNotStarted
from w2z.kernel.keeping.ending import Ending
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.keeping.policy import RestartPolicy, describe, exit_code
from w2z.kernel.kernel import Kernel
from w2z.kernel.process.children import Child, Children
from w2z.kernel.process.command import Command
from w2z.kernel.process.endpoints import Endpoints
from w2z.kernel.process.output import Lines, Listener, Output

log = logging.getLogger("w2z")

CHILD_POLL_INTERVAL = 0.02
"""Seconds between checks whether the processes that the kernel left behind have ended."""


FIRST_WORD = 5.0
"""Seconds after which w2z first says that it still waits for a kernel; the time doubles."""


@dataclass(frozen=True)
class Limits:
    """Seconds a kernel may take to get ready, and restarts of crashed kernels within a minute."""

    ready: float
    restarts: int


class Wanted(Enum):
    """What is wanted of the process. This decides what the end of the process means."""

    RUN = "to run on: an end is its own doing"
    RESTART = "to end and give way to another"
    END = "to end because a client said so"
    STOP = "to end because w2z does"


class Launched(Keeper):
    """The keeper of the kernel that ``command`` starts.

    ``listen`` gets what its process prints; ``style`` says how that is passed on.
    """

    owned = True

    def __init__(
        self,
        kernel: Kernel,
        children: Children,
        command: Command,
        endpoints: Endpoints,
        limits: Limits,
        *,
        ending: Ending,
        interrupt_mode: str | None,
        listen: Listener | None,
        style: Callable[[str], Lines] | None = None,
        look: float = CHILD_POLL_INTERVAL,
    ) -> None:
        super().__init__(kernel, interrupt_mode)
        self._children = children
        self._command = command
        self._endpoints = endpoints
        self._limits = limits
        self._ending = ending
        self._listen = listen
        self._style = style
        self._look = look
        self._policy = RestartPolicy(limits.restarts)
        self._child: Child | None = None
        self._wanted = Wanted.RUN
        self._is_late = False
        # The number of the kernel that was started last, and of the last one known to have got
        # ready or to have ended before.
        self._number = 0
        self._decided = 0
        self._decision = asyncio.Event()
        self._is_over = asyncio.Event()

    # What other tasks want.

    async def restart(self) -> None:
        """End the kernel and start another.

        Raises :class:`~w2z.errors.KernelNotStarted` when the other one does not get ready.
        """
        async with self.restarting:
            this = self._number
            self._want(Wanted.RESTART)
            while self._decided <= this and not self._is_over.is_set():
                self._decision.clear()
                await self._decision.wait()
            if self._is_over.is_set() or not self.kernel.is_ready:
                raise KernelNotStarted("the kernel was ended, and the next one did not get ready")

    async def end(self) -> None:
        """End the kernel, because a client asked for that, and wait until :meth:`run` is over."""
        self._want(Wanted.END)
        await self._is_over.wait()

    async def stop(self) -> None:
        """End the kernel within the time of ``ending``: by message, then SIGTERM, then SIGKILL."""
        self._want(Wanted.STOP)
        await self._is_over.wait()

    def hurry(self) -> None:
        """Kill the kernel's process group at once."""
        self._signal_group(signal.SIGKILL)

    def forward(self, number: int) -> None:
        """Send the signal to the kernel's process alone."""
        if self._child is not None:
            log.info("%s: passed on to the kernel", signal.Signals(number).name)
            self._child.signal(number)

    async def spec_mode(self) -> str | None:
        """Return the ``interrupt_mode`` of the spec that the kernel was started from, if any."""
        return self._command.interrupt_mode

    async def send_interrupt_signal(self) -> None:
        """Send SIGINT to the kernel's process group, and so to the processes it started. A kernel
        that has yet to answer runs nothing, and would die of it.
        """
        if self.kernel.life.was_used:
            self._signal_group(signal.SIGINT)

    def _want(self, wanted: Wanted) -> None:
        # STOP is final. After END only STOP counts, so that no restart follows.
        if self._wanted in (Wanted.RUN, Wanted.RESTART) or wanted is Wanted.STOP:
            self._wanted = wanted
        self.kernel.do(self.kernel.life.ask_to_end(self.kernel.now()))
        self.kernel.wake()

    def _signal_group(self, number: int) -> None:
        if self._child is not None and not self._child.ended.done():
            self._child.signal_group(number)

    # The one task that owns the process.

    async def run(self) -> int:
        """Run one kernel after another until one ends for good.

        Returns the exit code of the last kernel for w2z, or 0 if a client asked for its end. Raises
        :class:`~w2z.errors.KernelEnded` or :class:`~w2z.errors.KernelNeverReady` when the first
        kernel does not get ready, and ``KernelEnded`` when a process cannot be started.
        """
        try:
            while self._wanted not in (Wanted.END, Wanted.STOP):
                if self._child is not None:
                    await self._move_on()
                child, output = self._start()
                await self._follow(child)
                code = await self._outcome(child)
                await self._tidy(child, output)
                pause = self._after(code, output.last_words)
                if pause is None:
                    return self._exit_code(code)
                await self._pause(pause)
            return 0
        finally:
            # After an error, too: no kernel outlives this task, and nobody waits for it for ever.
            self._signal_group(signal.SIGKILL)
            self._is_over.set()
            self._decision.set()

    def _exit_code(self, code: int) -> int:
        return 0 if self._wanted is Wanted.END else exit_code(code)

    async def _move_on(self) -> None:
        """Connect to where the next kernel will listen, with another key.

        After a restart that somebody asked for nothing of the last kernel is left, which had the
        key before: processes that left its process group are found because w2z adopted them. After
        a crash they live on; they may be meant to outlive a kernel.
        """
        if self._wanted is Wanted.RESTART and not await self._children.kill_all(self._ending.kill):
            log.warning("processes that the last kernel started could not be killed")
        self._endpoints.renew()
        self.kernel.connect(self._endpoints.info)

    def _start(self) -> tuple[Child, Output]:
        owner = self._endpoints.owner
        environment = self._command.full_environment(os.environ, owner)
        self._endpoints.write()
        line = self._command.line(self._endpoints.path)
        if self._wanted is Wanted.RESTART:
            self._wanted = Wanted.RUN
        self._is_late = False
        try:
            child = self._children.start(line, environment, owner)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise KernelEnded(f"the kernel cannot be started: {line[0]}: {reason}") from None
        log.info("started the kernel: process %d", child.pid)
        child.ended.add_done_callback(lambda _: self.kernel.wake())
        self._child = child
        self._number += 1
        self.kernel.on_started()
        return child, Output(child.stdout, child.stderr, self._listen, self._style)

    async def _follow(self, child: Child) -> None:
        """Watch the kernel until its process ends. End it if it is late or shall end."""
        kernel = self.kernel
        begun = kernel.now()
        deadline, pause = begun + self._limits.ready, FIRST_WORD
        while not child.ended.done() and self._wanted is Wanted.RUN and not self._is_late:
            kernel.poll()
            if kernel.is_ready and self._decided < self._number:
                self._decide()
            await kernel.next_task(kernel.timing.look if kernel.is_ready else kernel.timing.tick)
            self._take_clients_word()
            if not kernel.life.was_used and kernel.now() >= begun + pause:
                of = self._limits.ready
                log.info("the kernel is not ready after %g s of %g (--ready-timeout)", pause, of)
                pause *= 2
            # A kernel that clients use is not late, even if it has not answered w2z.
            self._is_late = not kernel.life.was_used and kernel.now() > deadline
        if not child.ended.done():
            await self._end_process(child)

    async def _outcome(self, child: Child) -> int:
        """Return the exit code of a process that has ended or was killed. A process that the system
        does not let go of, as in a read from a dead file server, cannot hold up the end of w2z.
        """
        while (code := await child.wait(self._ending.kill)) is None:
            if self._wanted is Wanted.STOP:
                log.error("process %d did not end after SIGKILL, and is left alone", child.pid)
                return -signal.SIGKILL
        return code

    def _take_clients_word(self) -> None:
        """If a client sent ``shutdown_request``, make sure that the kernel does end."""
        restart = self.kernel.is_told_to_end
        if restart is not None and self._wanted is Wanted.RUN:
            self._want(Wanted.RESTART if restart else Wanted.END)

    def _decide(self) -> None:
        """Record that the kernel started last is ready or has ended, and wake :meth:`restart`."""
        self._decided = self._number
        self._decision.set()

    async def _end_process(self, child: Child) -> None:
        kernel = self.kernel
        kernel.do(kernel.life.ask_to_end(kernel.now()))
        if kernel.life.was_used:
            # Before the mark: a marked kernel does not count as busy and would not be interrupted.
            await self.stop_running(self._ending.interrupt)
            restart = self._wanted is Wanted.RESTART
            if restart:
                kernel.mark("restarting")
            if kernel.is_told_to_end is None:
                kernel.link.conversation.tell("shutdown_request", {"restart": restart})
            if await child.wait(self._ending.shutdown) is not None:
                return
            log.warning("the kernel does not end: SIGTERM")
        child.signal_group(signal.SIGTERM)
        if await child.wait(self._ending.terminate) is None:
            log.warning("the kernel still does not end: SIGKILL")
            child.signal_group(signal.SIGKILL)

    async def _tidy(self, child: Child, output: Output) -> None:
        """Receive the kernel's last words, and end the processes left in its process group."""
        self.kernel.do(self.kernel.life.on_ended(self.kernel.now()))
        # Only the end of w2z has a budget; where w2z goes on, this may take longer.
        # First the end of iopub is waited for, then what came before it is received.
        seconds = most = self._ending.last_words / 2
        if self._wanted is not Wanted.STOP:
            seconds, most = 4 * seconds, 40 * most
        await self.kernel.link.channels.last_words(
            seconds, most, is_over=True, counts_rest=self._wanted is not Wanted.STOP
        )
        deadline = self.kernel.now() + self._ending.leftovers
        is_left = child.signal_group(signal.SIGTERM)
        while is_left and self.kernel.now() < deadline:
            await asyncio.sleep(self._look)
            is_left = child.signal_group(0)
        if is_left:
            child.signal_group(signal.SIGKILL)
        await output.finish(self._ending.output)

    def _after(self, code: int, last_words: str) -> float | None:
        """Tell clients what the end of the kernel means.

        Returns the seconds to wait before the next kernel is started; ``None`` for no next kernel.
        """
        kernel = self.kernel
        if self._wanted is Wanted.STOP:
            kernel.lose("w2z is ending")
            return None
        if self._wanted is Wanted.RESTART:
            if kernel.is_told_to_end:
                kernel.announce("restarting", "a client asked for it")
            kernel.lose("the kernel was restarted")
            return 0.0
        self._decide()
        if not kernel.life.has_served:
            raise self._failure(code, last_words)
        reason = f"the kernel {describe(code)}"
        # Clients hear of the kernel's end first, then what became of their requests.
        pause = self._announce(code, reason)
        kernel.lose(reason)
        return pause

    def _announce(self, code: int, reason: str) -> float | None:
        """Announce ``restarting`` or ``dead`` to clients; returns what :meth:`_after` returns."""
        kernel = self.kernel
        if code == 0 or self._wanted is Wanted.END:
            log.info("%s", reason)
            kernel.announce("dead", reason)
            return None
        pause, limit = self._policy.on_crash(kernel.now()), self._limits.restarts
        if pause is None:
            often = f"crash {limit + 1} within a minute (--restart-limit {limit})"
            log.error("%s: %s; it is not started any more", reason, often)
            kernel.announce("dead", f"{reason}: {often}, so it is not started any more")
        else:
            log.warning("%s; starting another in %g s", reason, pause)
            kernel.announce("restarting", reason)
        return pause

    def _failure(self, code: int, last_words: str) -> KernelEnded | KernelNeverReady:
        # They were passed on as they came.
        said = "; its last words are above" if last_words else "; it said nothing on stderr"
        if self._is_late:
            return KernelNeverReady(
                f"the kernel was not ready within {self._limits.ready:g} s (--ready-timeout){said}"
            )
        return KernelEnded(
            f"the kernel {describe(code)} before it was ready{said}",
            exit_code(code) or KernelEnded.exit_code,
        )

    async def _pause(self, seconds: float) -> None:
        kernel = self.kernel
        deadline = kernel.now() + seconds
        while self._wanted is Wanted.RUN and (left := deadline - kernel.now()) > 0:
            await kernel.next_task(left)

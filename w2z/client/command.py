"""The program ``w2z attach``: signals, the connection file, a container, a line with the state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TextIO

from w2z.client.attach import Attach
from w2z.client.engines.base import ContainerSpec
from w2z.client.engines.docker import EngineName
from w2z.client.engines.docker import engine as find_engine
from w2z.client.engines.starting import started
from w2z.client.options import Options, State
from w2z.client.published import Published, given, new_path
from w2z.client.remote import Remote
from w2z.errors import ENDED_BY_SIGNAL, ExitCode
from w2z.kernel.connection_file import ConnectionInfo
from w2z.threads import begin, in_thread

log = logging.getLogger("w2z")

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_CLEAR = "\r\x1b[2K"
"""Back to the beginning of the line, and erase it (ECMA-48, EL)."""


class Signals:
    """The signals of this process, and the end of its parent, given to :attr:`to`.

    Signals that whoever started this process lets be ignored are. ``parent`` is the process id of
    the frontend that started it, if it is known: its end counts as SIGHUP. ``is_kernel`` says that
    a frontend did start it; otherwise ``parent`` may be what is left of another's environment.
    """

    def __init__(self, parent: str | None, *, is_kernel: bool) -> None:
        self.to: Callable[[int], None] = lambda number: None
        self._parent = parent
        self._is_kernel = is_kernel
        self._at_end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in HANDLED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._give, number)
                self._at_end.callback(loop.remove_signal_handler, number)
        if self._parent is not None and self._parent.isdecimal():
            self._watch(int(self._parent))
        return self

    def __exit__(self, *error: object) -> None:
        self._at_end.close()

    def _watch(self, parent: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(parent)
        except OSError:
            # It was killed while this process started: nobody is left who could end it.
            if self._is_kernel:
                loop.call_soon(self._give, signal.SIGHUP)
            return
        self._at_end.callback(os.close, descriptor)
        # Looked at after the opening: the process behind the number cannot be another any more.
        if os.getppid() == parent:
            self._at_end.callback(loop.remove_reader, descriptor)
            loop.add_reader(descriptor, self._hang_up, descriptor)

    def _hang_up(self, descriptor: int) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        self._give(signal.SIGHUP)

    def _give(self, number: int) -> None:
        self.to(number)


async def attach(
    remote: Remote, options: Options, path: Path | None, announce: Callable[[str], None]
) -> int:
    """Attach until something ends it; returns the exit code.

    ``path`` is that of the local connection file; by default it is a new one where Jupyter looks
    for such files. ``announce`` is called with it when it is there and the kernel can be reached.
    Raises :class:`~w2z.errors.W2zError`.
    """
    parent = os.environ.get("JPY_PARENT_PID")
    with Signals(parent, is_kernel=options.one_kernel) as signals:
        return await _attach(remote, options, path, announce, signals=signals)


async def attach_container(
    engine_name: EngineName,
    spec: ContainerSpec,
    options: Options,
    path: Path | None,
    announce: Callable[[str], None],
) -> int:
    """Start a container, and attach to its kernel as :func:`attach` does. The container ends with
    this, and this with the container.
    """
    given(path, one_kernel=options.one_kernel)  # what is wrong there needs no container
    caught: list[int] = []
    task = asyncio.current_task()

    def cancel(number: int) -> None:
        caught.append(number)
        if task is not None and len(caught) == 1:
            task.cancel()

    parent = os.environ.get("JPY_PARENT_PID")
    with Signals(parent, is_kernel=options.one_kernel) as signals:
        signals.to = cancel
        try:
            engine = await in_thread(lambda: find_engine(engine_name))
            with contextlib.closing(engine):
                async with started(engine, spec) as running:
                    remote = Remote.at(running.url, token=spec.token, environment={})
                    ended = begin(lambda: engine.wait(running.id))
                    joined = _attach(
                        remote, options, path, announce, signals=signals, container=ended
                    )
                    return await joined
        except asyncio.CancelledError:
            return ENDED_BY_SIGNAL + caught[0]


async def _attach(
    remote: Remote,
    options: Options,
    path: Path | None,
    announce: Callable[[str], None],
    *,
    signals: Signals,
    container: asyncio.Future[int | None] | None = None,
) -> int:
    info = given(path, one_kernel=options.one_kernel)
    line = StateLine(sys.stderr, remote.url)
    with contextlib.ExitStack() as at_end, line:
        where: list[ConnectionInfo] = []

        def publish() -> None:
            if where and info is None:
                made = at_end.enter_context(Published(path or new_path(), where.pop()))
                announce(str(made.path))

        def bound(found: ConnectionInfo) -> None:
            where.append(found)
            if options.one_kernel:
                publish()  # the frontend waits for it

        def changed() -> None:
            if running.state.is_connected:
                publish()
            line.show(running.state)

        def container_ended(outcome: asyncio.Future[int | None]) -> None:
            code = outcome.result()
            log.warning("the container ended, with exit code %s", code)
            running.leave(ExitCode.OK if code == 0 else ExitCode.KERNEL_DEAD)

        running = Attach(remote, options, info, bound=bound, changed=changed)
        line.show(running.state)
        if container is not None:
            container.add_done_callback(container_ended)
        signals.to = running.on_signal
        try:
            return await running.run()
        finally:
            signals.to = lambda number: None
            if container is not None:
                container.remove_done_callback(container_ended)


class StateLine:
    """One line on a terminal, which always shows the present state; elsewhere nothing."""

    def __init__(self, stream: TextIO, url: str) -> None:
        self._stream = stream
        self._url = url
        self._is_terminal = stream.isatty()
        self._lost_at: float | None = None
        self._handler = logging.StreamHandler(stream)
        clear = _CLEAR if self._is_terminal else ""
        self._handler.setFormatter(logging.Formatter(f"{clear}w2z: %(message)s"))

    def __enter__(self) -> StateLine:
        logging.getLogger("w2z").addHandler(self._handler)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("w2z").removeHandler(self._handler)
        self._write("")

    def show(self, state: State) -> None:
        """Show the state as it is now."""
        if state.is_connected:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = time.time()
        since = "" if self._lost_at is None else time.strftime("%X", time.localtime(self._lost_at))
        self._write(sentence(state, self._url, since))

    def _write(self, text: str) -> None:
        if self._is_terminal:
            with contextlib.suppress(OSError):
                self._stream.write(_CLEAR + text)
                self._stream.flush()


def sentence(state: State, url: str, since: str) -> str:
    """Return what to show of the state; ``since`` is when the connection was lost."""
    if state.is_connected:
        return f"w2z: connected to {url}" + (f"; kernel {state.kernel}" if state.kernel else "")
    because = f" ({state.trouble})" if state.trouble else ""
    what = "no connection to" if state.was_connected else "connecting to"
    return f"w2z: {what} {url} since {since}{because}, trying again"

"""The program ``w2z attach``: signals, the connection file, and a line that shows the state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from w2z.client.attach import Attach, Options, State
from w2z.client.published import Published, given, new_path
from w2z.client.remote import Remote
from w2z.kernel.connection_file import ConnectionInfo

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_CLEAR = "\r\x1b[2K"
"""Back to the beginning of the line, and erase it (ECMA-48, EL)."""


async def attach(
    remote: Remote, options: Options, path: Path | None, announce: Callable[[str], None]
) -> int:
    """Attach until something ends it; returns the exit code.

    ``path`` is that of the local connection file; by default it is a new one where Jupyter looks
    for such files. ``announce`` is called with it when it is there and the kernel can be reached.
    Raises :class:`~w2z.errors.W2zError`.
    """
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

        running = Attach(remote, options, info, bound=bound, changed=changed)
        line.show(running.state)
        hang_up = partial(running.on_signal, signal.SIGHUP)
        with _handled(running.on_signal), _followed(os.environ.get("JPY_PARENT_PID"), hang_up):
            return await running.run()


@contextlib.contextmanager
def _handled(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Handle signals, apart from those that whoever started this process lets be ignored."""
    loop = asyncio.get_running_loop()
    handled = [number for number in HANDLED if signal.getsignal(number) is not signal.SIG_IGN]
    for number in handled:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _followed(parent: str | None, gone: Callable[[], None]) -> Iterator[None]:
    """Call ``gone`` when the frontend has ended, which jupyter_client names in JPY_PARENT_PID."""
    loop = asyncio.get_running_loop()
    if parent is None or parent != str(os.getppid()):
        yield
        return
    descriptor = os.pidfd_open(int(parent))

    def end() -> None:
        loop.remove_reader(descriptor)
        gone()

    loop.add_reader(descriptor, end)
    if parent != str(os.getppid()):
        gone()  # before it was followed
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


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

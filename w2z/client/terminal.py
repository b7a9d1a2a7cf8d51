"""The person at the terminal of ``w2z exec``: sees what goes on, and answers questions."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

LOOK_AGAIN = 0.5
"""Seconds between two looks at what goes on."""

SILENT_FOR = 2.0
"""Seconds without output after which the line says what goes on."""

LONGEST_ANSWER = 2**16
"""Bytes of a typed line that are read at once."""


class StateLine:
    """A line on stderr that says what goes on while nothing is printed; nothing without terminal.

    ``state`` returns the words for it; the line is gone when something else is printed.
    """

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state
        self._is_there = False
        self._is_asking = False
        self._printed_at = 0.0
        self._is_wanted = sys.stderr.isatty()

    async def show(self) -> None:
        """Keep the line up to date, until cancelled."""
        now = asyncio.get_running_loop().time
        self._printed_at = began = now()
        while self._is_wanted:
            await asyncio.sleep(LOOK_AGAIN)
            if not self._is_asking and now() - self._printed_at >= SILENT_FOR:
                self._is_there = True
                sys.stderr.write(f"\r\x1b[K[w2z] {self._state()}, {now() - began:.0f} s")
                sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, because something is printed."""
        if self._is_wanted:
            self._printed_at = asyncio.get_running_loop().time()
        if self._is_there:
            self._is_there = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Keep away while somebody types."""
        self.clear()
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False


async def ask(prompt: str, is_secret: bool) -> str:
    """Print a prompt on the terminal, and return the line that is typed; unseen if it is secret.

    It can be cancelled, which a thread that waits for a line cannot. Raises :class:`EOFError` at
    the end of the input.
    """
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno()
    line: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(os.read(number, LONGEST_ANSWER))

    sys.stdout.write(prompt)
    sys.stdout.flush()
    with _unseen(number) if is_secret else nullcontext():
        loop.add_reader(number, read)
        try:
            typed = await line
        finally:
            loop.remove_reader(number)
    if is_secret:
        sys.stdout.write("\n")
    if not typed:
        raise EOFError("the input has ended")
    return typed.decode(errors="replace").removesuffix("\n")


@contextmanager
def _unseen(number: int) -> Iterator[None]:
    """Let the terminal not show what is typed."""
    before = termios.tcgetattr(number)
    hidden = list(before)
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)

"""The sockets of one session to the kernel: each is connected when the session needs it.

A kernel can ask a session for input only where the session's stdin socket is connected. ipykernel
forgets a connection to its stdin only when it next asks somebody, so sessions that are never asked
have none. It has to be there before shell can make the kernel ask: such a request waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from w2z.kernel.sockets.drained import DrainedSocket
from w2z.kernel.sockets.monitor import Monitor
from w2z.message import Buffer, Channel

STDIN_PATIENCE = 1.0
"""Seconds after which such a request goes to a kernel whose stdin cannot be reached."""


class Opener(Protocol):
    """Opens sockets."""

    def __call__(
        self, channel: Channel, on_change: Callable[[bool], None] | None = None
    ) -> tuple[DrainedSocket, Monitor | None]:
        """Open a socket to the channel; with ``on_change`` its connection is watched from the
        start, by the monitor that is returned.
        """


class Dealers:
    """The sockets, under one identity. ``open_socket`` opens them; ``writable`` is called when the
    kernel can ask the session, after :meth:`can_be_asked` returned ``False``.
    """

    def __init__(self, open_socket: Opener, writable: Callable[[], None]) -> None:
        self._open = open_socket
        self._writable = writable
        self._sockets: dict[Channel, DrainedSocket] = {}
        self._can_be_asked = False
        self._watching: Monitor | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connect(self, on_change: Callable[[bool], None] | None = None) -> Monitor | None:
        """Connect the shell socket. Returns its monitor, if it is watched."""
        self._sockets[Channel.SHELL], monitor = self._open(Channel.SHELL, on_change)
        return monitor

    def get(self, channel: Channel) -> DrainedSocket | None:
        """Return the socket to the channel, if there is one."""
        return self._sockets.get(channel)

    def send(self, channel: Channel, parts: Sequence[Buffer]) -> bool:
        """Send a message, over a new socket if there is none yet. Returns ``False`` when the socket
        is full.
        """
        if channel is Channel.STDIN:
            self.can_be_asked()
        socket = self._sockets.get(channel)
        if socket is None:
            socket = self._sockets[channel] = self._open(channel)[0]
        return socket.send(parts)

    def can_be_asked(self) -> bool:
        """Whether the kernel can ask the session for input. If not, it soon can."""
        if Channel.STDIN not in self._sockets:
            socket, self._watching = self._open(Channel.STDIN, self._on_stdin_change)
            self._sockets[Channel.STDIN] = socket
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(STDIN_PATIENCE, self._on_stdin_change, True)
        return self._can_be_asked

    def close(self, linger_ms: int) -> None:
        """Close all of them; messages that have not left yet get ``linger_ms`` to leave."""
        self._watch_no_more()
        for socket in self._sockets.values():
            socket.close(linger_ms)

    def _on_stdin_change(self, is_up: bool) -> None:
        if is_up and not self._can_be_asked:
            self._can_be_asked = True
            # Not within the monitor's own callback.
            asyncio.get_running_loop().call_soon(self._watch_no_more)
            self._writable()

    def _watch_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._watching is not None:
            self._watching.close()
            self._watching = None

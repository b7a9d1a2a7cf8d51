"""Whether a ZMQ socket is connected, as libzmq itself reports.

https://libzmq.readthedocs.io/en/latest/zmq_socket_monitor.html
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import zmq

from w2z.kernel.sockets.drained import DrainedSocket

WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_CONNECT_RETRIED

GIVEN_UP_AFTER = 0.25
"""Seconds after the end of a connection in which libzmq begins to make another. It does so at once,
unless it gave the connection up: after a frame larger than ``ZMQ_MAXMSGSIZE``, or one that is not
of its protocol, it makes no other.
"""


class Monitor:
    """Calls ``on_change`` with ``True`` when ``socket`` is connected and ZMQ's own handshake is
    done, and with ``False`` when that connection ended. Calls ``on_given_up`` when libzmq makes no
    other after that, and again until it returns ``True``.

    Make it before the socket connects; close it before the socket.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        on_change: Callable[[bool], None],
        on_given_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._socket = socket
        self._on_change = on_change
        self._on_given_up = on_given_up
        self._waiting: asyncio.TimerHandle | None = None
        """Runs while libzmq may still begin to make another connection."""
        self._events = DrainedSocket(socket.get_monitor_socket(WATCHED), self._on_events)

    def close(self) -> None:
        """Stop watching. A socket closed before this would wait for a reader of its events."""
        self._wait_no_more()
        self._socket.disable_monitor()
        self._events.close(0)

    def _on_events(self, events: list[list[bytes]]) -> None:
        for event in events:
            (number,) = struct.unpack_from("=H", event[0])
            self._wait_no_more()
            if number == zmq.EVENT_DISCONNECTED:
                self._wait()
            if number != zmq.EVENT_CONNECT_RETRIED:
                self._on_change(bool(number == zmq.EVENT_HANDSHAKE_SUCCEEDED))

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(GIVEN_UP_AFTER, self._give_up)

    def _give_up(self) -> None:
        self._waiting = None
        if not self._on_given_up():
            self._wait()

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

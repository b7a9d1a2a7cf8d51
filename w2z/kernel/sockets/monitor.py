"""Whether a ZMQ socket is connected, as libzmq itself reports.

https://libzmq.readthedocs.io/en/latest/zmq_socket_monitor.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import zmq

from w2z.kernel.sockets.drained import DrainedSocket

WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED


class Monitor:
    """Calls ``on_change`` with ``True`` when ``socket`` is connected and ZMQ's own handshake is
    done, and with ``False`` when that connection ended.

    Make it before the socket connects; close it before the socket.
    """

    def __init__(self, socket: zmq.Socket[bytes], on_change: Callable[[bool], None]) -> None:
        self._socket = socket
        self._on_change = on_change
        self._events = DrainedSocket(socket.get_monitor_socket(WATCHED), self._on_events)

    def close(self) -> None:
        """Stop watching. A socket closed before this would wait for a reader of its events."""
        self._socket.disable_monitor()
        self._events.close(0)

    def _on_events(self, events: list[list[bytes]]) -> None:
        for event in events:
            (number,) = struct.unpack_from("=H", event[0])
            self._on_change(bool(number == zmq.EVENT_HANDSHAKE_SUCCEEDED))

"""The kernel's heartbeat socket, shared by every client's ``hb`` channel.

A kernel's heartbeat answers with the bytes it got
(https://jupyter-client.readthedocs.io/en/stable/messaging.html#heartbeat-for-kernels). Some kernels
use a REP socket, which takes one ZMQ frame behind an empty delimiter. So one ZMQ frame carries both
the payload and the number by which w2z finds the session that an echo belongs to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import zmq

from w2z.kernel.sockets.drained import DrainedSocket

MAX_PENDING_ECHOES = 1024
"""Most echoes that w2z waits for; when the kernel owes more, w2z gives up the oldest."""

_NUMBER = struct.Struct("!Q")


class Heartbeat:
    """The heartbeat socket: sends payloads and hands each echo to ``echo(session_id, payload)``."""

    def __init__(
        self, socket: zmq.Socket[bytes], endpoint: str, echo: Callable[[str, bytes], None]
    ) -> None:
        self._echo = echo
        self._pending: dict[int, str] = {}
        self._number = 0
        socket.setsockopt(zmq.SNDHWM, MAX_PENDING_ECHOES)
        socket.connect(endpoint)
        self._socket = DrainedSocket(socket, self._receive)

    def send(self, session_id: str, payload: bytes) -> None:
        """Ask the kernel to echo ``payload`` to the session; an echo may never come."""
        self._number += 1
        if len(self._pending) == MAX_PENDING_ECHOES:
            del self._pending[next(iter(self._pending))]
        if self._socket.send([b"", _NUMBER.pack(self._number) + payload]):
            self._pending[self._number] = session_id

    def close(self) -> None:
        """Close the socket without waiting for echoes that the kernel still owes."""
        self._socket.close(0)

    def _receive(self, batch: list[list[bytes]]) -> None:
        for parts in batch:
            blob = parts[-1]
            if len(blob) < _NUMBER.size:
                continue
            (number,) = _NUMBER.unpack_from(blob)
            session_id = self._pending.pop(number, None)
            if session_id is not None:
                self._echo(session_id, blob[_NUMBER.size :])

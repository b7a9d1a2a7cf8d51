"""A socket to the kernel's heartbeat: one for w2z's own beats, and one for those of all clients.

A kernel's heartbeat answers with the bytes it got
(https://jupyter-client.readthedocs.io/en/stable/messaging.html#heartbeat-for-kernels). Some kernels
use a REP socket, which takes one ZMQ frame behind an empty delimiter. So one ZMQ frame carries both
the payload and the number by which w2z finds the session that an echo belongs to.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import zmq

from w2z.kernel.sockets.beats import MAX_PENDING_ECHOES, Beats
from w2z.kernel.sockets.drained import DrainedSocket

_NUMBER = struct.Struct("!Q")


class Heartbeat:
    """One heartbeat socket: sends payloads and hands each echo to ``echo(session_id, payload)``.

    ``patience`` is how many seconds a session's next beat waits for the echo of the one before.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        endpoint: str,
        echo: Callable[[str, bytes], None],
        patience: float,
    ) -> None:
        self._echo = echo
        self._beats = Beats(patience)
        self._loop = asyncio.get_running_loop()
        socket.setsockopt(zmq.SNDHWM, MAX_PENDING_ECHOES)
        socket.connect(endpoint)
        self._socket = DrainedSocket(socket, self._receive)

    def send(self, session_id: str, payload: bytes) -> None:
        """Ask the kernel to echo ``payload`` to the session, now or after the session's beat that
        is under way. An echo may never come.
        """
        number = self._beats.beat(session_id, payload, self._loop.time())
        if number is not None and not self._socket.send([b"", _NUMBER.pack(number) + payload]):
            self._beats.forget(session_id)

    def forget(self, session_id: str) -> None:
        """Drop the session's beats and their echoes."""
        self._beats.forget(session_id)

    def close(self) -> None:
        """Close the socket without waiting for echoes that the kernel still owes."""
        self._socket.close(0)

    def _receive(self, batch: list[list[bytes]]) -> None:
        for parts in batch:
            blob = parts[-1]
            if len(blob) < _NUMBER.size:
                continue
            (number,) = _NUMBER.unpack_from(blob)
            session_id = self._beats.echoed(number)
            if session_id is None:
                continue
            if (waiting := self._beats.next(session_id)) is not None:
                self.send(session_id, waiting)
            self._echo(session_id, blob[_NUMBER.size :])

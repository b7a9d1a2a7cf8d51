"""The sockets between w2z and one kernel, and whose they are.

Addressing is ZMQ's own. One SUB and one heartbeat socket serve everybody. Each session has DEALER
sockets of its own under one generated identity (shell and stdin have to share it, that is how a
kernel's ``input_request`` finds its asker), so the socket a reply arrives on *is* its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import zmq

from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.drained import BATCH_MESSAGES, DrainedSocket
from w2z.kernel.sockets.heartbeat import Heartbeat
from w2z.message import Buffer, Channel
from w2z.wire.zmq import LEAST_PARTS

SEND_MARK = 64
"""Messages a DEALER holds for a kernel that does not take them. Then its client is not read from
any more: the kernel's own queue comes on top, so a busy kernel alone does not get anybody there.
"""

IOPUB_MARK = 50_000
"""Messages that wait in libzmq, before w2z has received them, until it reads no more from iopub's
connection. Then they pile up in the kernel, which drops them if its own socket has a mark. So this
is far more than comes while w2z is held up for a moment, which keeps memory bounded.
"""

LINGER_MS = 250
"""What a session sent last has so long to leave after it closed; a part of w2z's own end, too."""

SOCKETS_PER_SESSION = 3

ZERO_COPY_RECV = 10
"""libzmq's ``ZMQ_ZERO_COPY_RECV``. Turned on, as it is by default, a message that waits keeps the
whole buffer it was read into: 20 kB for each that has 4.
"""

HOT_PAUSE = 0.001
"""Seconds between looks at iopub while output flows: cheaper than a wake-up for every message.
Output that comes alone, or first, does not wait.
"""


@dataclass(slots=True)
class _Dealers:
    """A session's sockets, under one identity."""

    identity: bytes
    sockets: dict[Channel, DrainedSocket] = field(default_factory=dict)


class Channels:
    """All sockets of one kernel; another one gets others.

    ``signed`` tells that messages carry signatures, which allows to receive them faster.
    ``receive`` gets ``(session_id or None for all, channel, multiparts)``; ``writable`` gets the
    session_id whose socket takes messages again; ``echo`` a session_id and what the kernel's
    heartbeat returned to it; ``lost`` is called when the connection to the kernel's iopub ends:
    the kernel itself has, or the network between failed. ``backlog`` is where output waits that
    comes faster than ``receive`` takes it.
    """

    def __init__(
        self,
        info: ConnectionInfo,
        *,
        max_sessions: int,
        signed: bool,
        receive: Callable[[str | None, Channel, list[list[bytes]]], None],
        writable: Callable[[str], None],
        echo: Callable[[str, bytes], None],
        lost: Callable[[], None],
        backlog: Backlog,
    ) -> None:
        self._info = info
        self._surely = LEAST_PARTS if signed else 1
        self._receive = receive
        self._writable = writable
        self._lost = lost
        self._backlog = backlog
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with contextlib.suppress(zmq.ZMQError):  # libzmq of before 4.3
            self._context.set(ZERO_COPY_RECV, 0)
        # Sockets that were closed count until they have lingered, hence the double.
        self._context.set(zmq.MAX_SOCKETS, 2 * SOCKETS_PER_SESSION * (max_sessions + 3))
        self._dealers: dict[str, _Dealers] = {}
        self._iopub = self._open_iopub()
        self._heartbeat = Heartbeat(self._socket(zmq.DEALER), info.endpoint(Channel.HB), echo)

    def open_session(self, session_id: str) -> None:
        """Connect the session's shell and stdin; does nothing if they are.

        Raises :class:`zmq.ZMQError` where no more sockets can be had; then there is no session.
        """
        if session_id in self._dealers:
            return
        dealers = _Dealers(b"w2z-" + uuid.uuid4().hex.encode())
        with contextlib.ExitStack() as undo:
            # stdin first: it has to be there before shell can make the kernel ask for input.
            for channel in (Channel.STDIN, Channel.SHELL):
                socket = self._open_dealer(session_id, dealers.identity, channel)
                undo.callback(socket.close, 0)
                dealers.sockets[channel] = socket
            undo.pop_all()
        self._dealers[session_id] = dealers

    def close_session(self, session_id: str, linger_ms: int = LINGER_MS) -> None:
        """Close the session's sockets; messages under way to it are gone."""
        dealers = self._dealers.pop(session_id, None)
        if dealers is not None:
            for socket in dealers.sockets.values():
                socket.close(linger_ms)

    def send(self, session_id: str, channel: Channel, parts: Sequence[Buffer]) -> bool:
        """Send for a session; ``False`` when its socket is full: ``writable`` will be called."""
        dealers = self._dealers[session_id]
        socket = dealers.sockets.get(channel)
        if socket is None:
            socket = self._open_dealer(session_id, dealers.identity, channel)
            dealers.sockets[channel] = socket
        return socket.send(parts)

    def send_heartbeat(self, session_id: str, payload: bytes) -> None:
        """Let the kernel's heartbeat socket echo ``payload`` to the session."""
        self._heartbeat.send(session_id, payload)

    async def last_words(self, seconds: float) -> None:
        """Receive what a kernel that has ended still said; wait so long for its hanging up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_lost.wait()
        # The end of iopub was told after all that came there. Replies come over connections of
        # their own, which end at the same time.
        await asyncio.sleep(HOT_PAUSE)
        while self._iopub.look():
            pass
        for dealers in list(self._dealers.values()):
            for socket in dealers.sockets.values():
                while socket.look():
                    pass

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Close everything; what was sent last has ``linger_ms`` to leave, and blocks so long."""
        for session_id in list(self._dealers):
            self.close_session(session_id, linger_ms)
        # First, because libzmq would wait for a reader of its events.
        self._sub.disable_monitor()
        self._monitor.close(0)
        self._iopub.close(0)
        self._backlog.clear()
        self._heartbeat.close()
        self._context.term()

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.IPV6, self._info.is_ipv6)
        if self._info.curve_publickey and self._info.curve_secretkey:
            # The file has one pair, the server's, and clients of the kernel use it as theirs too.
            socket.setsockopt_string(zmq.CURVE_SERVERKEY, self._info.curve_publickey)
            socket.setsockopt_string(zmq.CURVE_PUBLICKEY, self._info.curve_publickey)
            socket.setsockopt_string(zmq.CURVE_SECRETKEY, self._info.curve_secretkey)
        return socket

    def _open_iopub(self) -> DrainedSocket:
        socket = self._sub = self._socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, IOPUB_MARK)
        # Subscribed before connecting: no message can come between the two.
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._is_lost = asyncio.Event()
        self._monitor = DrainedSocket(monitor, self._on_disconnected)
        socket.connect(self._info.endpoint(Channel.IOPUB))
        return DrainedSocket(
            socket,
            partial(self._receive, None, Channel.IOPUB),
            surely=self._surely,
            hot_pause=HOT_PAUSE,
            backlog=self._backlog,
        )

    def _open_dealer(self, session_id: str, identity: bytes, channel: Channel) -> DrainedSocket:
        socket = self._socket(zmq.DEALER)
        try:
            socket.setsockopt(zmq.SNDHWM, SEND_MARK)
            socket.setsockopt(zmq.IDENTITY, identity)
            socket.connect(self._info.endpoint(channel))
        except zmq.ZMQError:
            socket.close(0)
            raise
        return DrainedSocket(
            socket,
            partial(self._receive_addressed, session_id, channel),
            partial(self._writable, session_id),
            surely=self._surely,
        )

    def _on_disconnected(self, events: list[list[bytes]]) -> None:
        self._is_lost.set()
        self._lost()

    def _receive_addressed(
        self, session_id: str, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        # Output that is already here goes first: no reply overtakes it for being quicker. On
        # control are those who do not want to wait.
        if self._iopub.look():
            self._iopub.receive_ahead(IOPUB_MARK // BATCH_MESSAGES)
        carry = partial(self._receive, session_id, channel, batch)
        if self._backlog and channel is not Channel.CONTROL:
            self._backlog.then(carry)
        else:
            carry()

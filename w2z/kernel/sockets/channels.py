"""The sockets between w2z and one kernel, and whose they are.

Addressing is ZMQ's own. One SUB and one heartbeat socket serve everybody. Each session has DEALER
sockets of its own under one identity (shell and stdin have to share it, that is how a kernel's
``input_request`` finds its asker), so the socket a reply arrives on *is* its address. The identity
is derived from the kernel's key and the session_id: a w2z that is started again beside a kernel
that lives on gets the replies to what was asked through the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import zmq

from w2z.errors import ConnectionFileError
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

WATCHED = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 10, 5, 4
"""Seconds of silence until the kernel's host is asked for a sign, seconds between attempts, and
how many of them fail (tcp(7)): half a minute until a host that vanished is missed.
"""

KEEPALIVE_AT_MOST = 30
"""Seconds in all."""

IOPUB_POLL_INTERVAL = 0.001
"""Seconds between looks at iopub while output flows: cheaper than a wake-up for every message.
Output that comes alone, or first, does not wait.
"""


HANDOVER = frozenset({"ipython", "bash_kernel", "octave_kernel"})
"""Implementations whose sockets hand an identity over to a new connection that claims it
(``ZMQ_ROUTER_HANDOVER``), as ipykernel's do. Others ignore the new one as long as they have not
seen the end of the one before, and may so be left without a way to answer.
"""


MAX_USED = 4096
"""Sessions that were closed of which is remembered that their identity was used."""


def hands_over(implementation: str) -> bool:
    """Whether a session may keep its identity when its sockets are replaced."""
    return implementation in HANDOVER


def identity(key: str, session_id: str, generation: int) -> bytes:
    """The ZMQ identity of a session's sockets: the same for the same kernel and session_id, and
    another for each ``generation`` of sockets to a kernel that does not hand it over.

    Not the session_id itself: not every text can be one, and nobody who knows an identity shall
    know a session_id by it.
    """
    text = b"w2z identity %d\0" % generation + session_id.encode(errors="surrogatepass")
    return b"w2z-" + hmac.new(key.encode(), text, "sha256").hexdigest()[:32].encode()


def check_endpoints(info: ConnectionInfo) -> None:
    """Raise :class:`~w2z.errors.ConnectionFileError` for endpoints that ZMQ does not take, such as
    a host that cannot be one or the path of a socket that is too long. Nobody has to be there.
    """
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.setsockopt(zmq.IPV6, info.is_ipv6)
        for channel in Channel:
            try:
                socket.connect(info.endpoint(channel))
            except zmq.ZMQError as error:
                raise ConnectionFileError(
                    f"connection file: {info.endpoint(channel)} is no endpoint that ZMQ takes"
                    f" ({error.strerror}): look at its ip and transport"
                ) from None


@dataclass(slots=True)
class _Dealers:
    """A session's sockets, under one identity."""

    identity: bytes
    sockets: dict[Channel, DrainedSocket] = field(default_factory=dict)


class ChannelsListener(Protocol):
    """What hears from a kernel's sockets."""

    def from_kernel(
        self, session_id: str | None, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        """Multiparts arrived, for a session or for all."""

    def writable(self, session_id: str) -> None:
        """The session's socket, which was full, takes messages again."""

    def echo(self, session_id: str, payload: bytes) -> None:
        """The kernel's heartbeat returned what the session had sent."""

    def reached(self) -> None:
        """The iopub socket is connected, behind ZMQ's own handshake."""

    def hung_up(self) -> None:
        """The connection of the iopub socket ended: the kernel has, or the network failed."""

    def heart_stopped(self) -> None:
        """The connection of the heartbeat ended: likewise."""


class Channels:
    """All sockets of one kernel; another one gets others.

    ``signed`` says that messages carry signatures, which allows to receive them faster. Output that
    comes faster than ``listener`` takes it waits in ``backlog``. Raises
    :class:`~w2z.errors.ConnectionFileError` where ZMQ refuses the endpoints.
    """

    def __init__(
        self,
        info: ConnectionInfo,
        listener: ChannelsListener,
        *,
        generation: int,
        max_sessions: int,
        signed: bool,
        backlog: Backlog,
    ) -> None:
        self._info = info
        self._listener = listener
        self._generation = generation
        self._min_frames = LEAST_PARTS if signed else 1
        self._backlog = backlog
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with contextlib.suppress(zmq.ZMQError):  # libzmq of before 4.3
            self._context.set(ZERO_COPY_RECV, 0)
        # Sockets that were closed count until they have lingered, hence the double.
        self._context.set(zmq.MAX_SOCKETS, 2 * SOCKETS_PER_SESSION * (max_sessions + 3))
        self._dealers: dict[str, _Dealers] = {}
        self.hands_over = False
        """Whether the kernel hands an identity over to a connection that claims it (see
        :data:`HANDOVER`).
        """
        self._used: dict[str, int] = {}
        self.is_unbroken = False
        """Whether the heartbeat's first connection is up: then the kernel is the same still."""
        self._has_broken = False
        self._is_iopub_up = False
        self._heartbeat = self._open_heartbeat()
        self._iopub = self._open_iopub()

    def open_session(self, session_id: str) -> None:
        """Connect the session's shell and stdin; does nothing if they are.

        Raises :class:`zmq.ZMQError` where no more sockets can be had; then there is no session.
        """
        if session_id in self._dealers:
            return
        generation = self._generation + self._used.get(session_id, 0)
        dealers = _Dealers(identity(self._info.key, session_id, generation))
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
            if not self.hands_over:
                self._used[session_id] = self._used.pop(session_id, 0) + 1
                if len(self._used) > MAX_USED:
                    del self._used[next(iter(self._used))]
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

    async def last_words(self, seconds: float, most: float, *, has_ended: bool = True) -> None:
        """Receive what a kernel still said: until nothing is left, and, where it has ended, its
        connection has, too.

        Takes ``seconds`` at most to notice the end, and ``most`` for what is left; only ``seconds``
        where libzmq has connected again meanwhile, perhaps to a kernel that never stops talking.
        Everything else has its turns meanwhile.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if has_ended and self._is_iopub_up:
                    # Its end is told after all that came there.
                    await self._is_lost.wait()
                # Replies come over connections of their own, which end at the same time.
                await asyncio.sleep(IOPUB_POLL_INTERVAL)
        begun, has_more = time.monotonic(), True
        while has_more and time.monotonic() - begun < (seconds if self._is_iopub_up else most):
            has_more = self._look_everywhere()
            await asyncio.sleep(0)
        self._is_lost.clear()

    def _look_everywhere(self) -> bool:
        """One batch of each socket, and of the backlog; returns whether there may be more."""
        has_more = self._iopub.receive_batch()
        # Whoever is given up by what arrives has its sockets closed: the next list is without them.
        for session_id in list(self._dealers):
            for channel in (Channel.SHELL, Channel.STDIN, Channel.CONTROL):
                dealers = self._dealers.get(session_id)
                socket = None if dealers is None else dealers.sockets.get(channel)
                if socket is not None and socket.receive_batch():
                    has_more = True
        return has_more

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Close everything, once; what was sent last has ``linger_ms`` to leave, which blocks."""
        if self._context.closed:
            return
        for session_id in list(self._dealers):
            self.close_session(session_id, linger_ms)
        # First, because libzmq would wait for a reader of its events.
        self._sub.disable_monitor()
        self._monitor.close(0)
        self._hb.disable_monitor()
        self._hb_monitor.close(0)
        self._iopub.close(0)
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

    def _open_heartbeat(self) -> Heartbeat:
        socket = self._hb = self._socket(zmq.DEALER)
        self._keep_alive(socket)
        # Beats are so small that a kernel that is stopped has room for years of them: what stays
        # unacknowledged was sent to a host that is gone.
        socket.setsockopt(zmq.TCP_MAXRT, KEEPALIVE_AT_MOST * 1000)
        self._hb_monitor = DrainedSocket(socket.get_monitor_socket(WATCHED), self._on_hb_events)
        return Heartbeat(socket, self._info.endpoint(Channel.HB), self._listener.echo)

    def _keep_alive(self, socket: zmq.Socket[bytes]) -> None:
        """Let the connection end when the kernel's host is gone without a word. That of a kernel
        that is stopped or busy does not.
        """
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL)
        socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)

    def _open_iopub(self) -> DrainedSocket:
        socket = self._sub = self._socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, IOPUB_MARK)
        self._keep_alive(socket)
        # Subscribed before connecting: no message can come between the two.
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = socket.get_monitor_socket(WATCHED)
        self._is_lost = asyncio.Event()
        self._monitor = DrainedSocket(monitor, self._on_events)
        socket.connect(self._info.endpoint(Channel.IOPUB))
        return DrainedSocket(
            socket,
            partial(self._listener.from_kernel, None, Channel.IOPUB),
            min_frames=self._min_frames,
            poll_interval=IOPUB_POLL_INTERVAL,
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
            partial(self._listener.writable, session_id),
            min_frames=self._min_frames,
        )

    def _on_events(self, events: list[list[bytes]]) -> None:
        for is_connected in map(_is_connected, events):
            self._is_iopub_up = is_connected
            if is_connected:
                self._listener.reached()
            else:
                self._is_lost.set()
                self._listener.hung_up()

    def _on_hb_events(self, events: list[list[bytes]]) -> None:
        for is_connected in map(_is_connected, events):
            self._has_broken = self._has_broken or not is_connected
            self.is_unbroken = not self._has_broken
            if not is_connected:
                self._listener.heart_stopped()

    def _receive_addressed(
        self, session_id: str, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        # Output that is already here goes first: no reply overtakes it for being quicker. On
        # control are those who do not want to wait.
        if self._iopub.receive_batch():
            self._iopub.receive_ahead(IOPUB_MARK // BATCH_MESSAGES)
        carry = partial(self._listener.from_kernel, session_id, channel, batch)
        if self._backlog and channel is not Channel.CONTROL:
            self._backlog.then(carry)
        else:
            carry()


def _is_connected(event: list[bytes]) -> bool:
    """Whether a monitor's event tells of a connection that is up, or of its end.

    https://libzmq.readthedocs.io/en/latest/zmq_socket_monitor.html
    """
    (number,) = struct.unpack_from("=H", event[0])
    return bool(number == zmq.EVENT_HANDSHAKE_SUCCEEDED)

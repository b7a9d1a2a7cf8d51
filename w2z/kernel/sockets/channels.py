"""The sockets between w2z and one kernel, and the session that each belongs to.

ZMQ does the addressing. One SUB and one heartbeat socket serve all sessions; w2z's own beats have a
socket of their own, so that no client's come in their way. Each session has DEALER sockets of its
own under one identity, so the socket that a reply arrives on *is* the address. Shell and stdin have
to share the identity: by it a kernel's ``input_request`` finds the client that sent the request.
The identity is derived from the kernel's key and the session_id, so a w2z that is started again
beside the same kernel gets the replies to requests that went through the w2z before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import zmq

from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.beats import ECHO_PATIENCE
from w2z.kernel.sockets.dealers import Dealers
from w2z.kernel.sockets.drained import DrainedSocket
from w2z.kernel.sockets.heartbeat import Heartbeat
from w2z.kernel.sockets.held import HeldReplies
from w2z.kernel.sockets.identity import identity
from w2z.kernel.sockets.listener import ChannelsListener
from w2z.kernel.sockets.monitor import Monitor
from w2z.kernel.sockets.options import (
    FRAME_SIZE_FACTOR,
    IOPUB_MARK,
    KEEPALIVE_AT_MOST,
    SEND_MARK,
    configure,
    keep_alive,
    new_context,
)
from w2z.kernel.sockets.room import Room
from w2z.kernel.sockets.under_way import UnderWay, total
from w2z.message import Buffer, Channel
from w2z.threads import at_once
from w2z.wire.zmq import LEAST_PARTS

MAX_USED = 4096
"""Most closed sessions for which w2z remembers that their identity was used."""

TERM_PATIENCE = 0.05
"""Seconds that the event loop waits, beside the linger, until a kernel's sockets are closed."""

LINGER_MS = 250
"""Milliseconds that a session's last messages have to leave after its sockets are closed. w2z's own
end may take this long, too.
"""

SOCKETS_PER_SESSION = 3

IOPUB_POLL_INTERVAL = 0.001
"""Seconds between looks at iopub while output flows: cheaper than a wake-up for every message.
Output that comes alone, or first, does not wait.
"""

IOPUB_STEADY_INTERVAL = 0.003
"""Seconds between looks at iopub where output has flowed for a while."""


class Channels:
    """All sockets to one kernel; another kernel gets new ones.

    ``signed`` says that messages carry signatures; then w2z can receive them faster. Output that
    comes faster than ``listener`` takes it waits in ``backlog``. A message of more than
    ``max_size`` bytes is dropped, and so is what waits in libzmq when ``room`` is used up.
    Raises :class:`zmq.ZMQError` for endpoints that ZMQ refuses: call
    :func:`~w2z.kernel.sockets.options.check_endpoints` first.
    """

    def __init__(
        self,
        info: ConnectionInfo,
        listener: ChannelsListener,
        *,
        generation: int,
        max_sessions: int,
        max_size: int,
        signed: bool,
        backlog: Backlog,
        room: Room,
    ) -> None:
        self._info = info
        self._listener = listener
        self._generation = generation
        self._max_size = max_size
        self._min_frames = LEAST_PARTS if signed else 1
        self._backlog = backlog
        self._room = room
        # Closed sockets count until they have lingered: hence twice the number.
        self._context = new_context(2 * SOCKETS_PER_SESSION * (max_sessions + 3))
        self._dealers: dict[str, Dealers] = {}
        self.hands_over = False
        """Whether the kernel hands an identity over to a connection that claims it (see
        :data:`~w2z.kernel.sockets.identity.HANDOVER`).
        """
        self.is_settled = False
        """Whether the kernel has answered all that others asked it on shell before these sockets
        were there. Until then it may ask any session for input.
        """
        self._used: dict[str, int] = {}
        self._under_way: set[UnderWay] = set()
        self.is_unbroken = False
        """Whether the heartbeat's first connection is still up: then the kernel is the same."""
        self._has_broken = False
        self._is_iopub_up = False
        self._held = HeldReplies()
        self._monitors: list[Monitor] = []
        self._heartbeat = self._open_heartbeat()
        self._clients_heartbeat: Heartbeat | None = None
        self._iopub = self._open_iopub()

    @property
    def under_way(self) -> int:
        """The bytes of requests that libzmq has yet to send to the kernel."""
        return total(self._under_way)

    def open_session(self, session_id: str, *, is_watched: bool = False) -> None:
        """Connect the session's shell socket, unless it is already. For a watched session the
        listener's ``shell_reached`` is called.

        Raises :class:`zmq.ZMQError` where no more sockets can be had; then none is left open.
        """
        if session_id in self._dealers:
            return
        generation = self._generation + self._used.get(session_id, 0)
        name = identity(self._info.key, session_id, generation)
        open_socket = partial(self._open_dealer, session_id, name)
        dealers = Dealers(open_socket, partial(self._listener.writable, session_id))
        try:
            if not self.is_settled:
                # Before shell, because the kernel may ask at once.
                dealers.can_be_asked()
            monitor = dealers.connect(self._on_shell_change if is_watched else None)
        except zmq.ZMQError:
            dealers.close(0)
            raise
        if monitor is not None:
            self._monitors.append(monitor)
        self._dealers[session_id] = dealers

    def close_session(self, session_id: str, linger_ms: int = LINGER_MS) -> None:
        """Close the session's sockets; messages from the kernel that are under way are dropped."""
        dealers = self._dealers.pop(session_id, None)
        if dealers is not None:
            if not self.hands_over:
                self._used[session_id] = self._used.pop(session_id, 0) + 1
                if len(self._used) > MAX_USED:
                    del self._used[next(iter(self._used))]
            dealers.close(linger_ms)
        if self._clients_heartbeat is not None:
            self._clients_heartbeat.forget(session_id)

    def send(self, session_id: str, channel: Channel, parts: Sequence[Buffer]) -> bool:
        """Send a session's message. Returns ``False`` when the socket is full; then the listener's
        ``writable`` is called later.
        """
        return self._dealers[session_id].send(channel, parts)

    def can_be_asked(self, session_id: str) -> bool:
        """Whether the kernel can ask the session for input. If not, the listener's ``writable`` is
        called when it can.
        """
        return self._dealers[session_id].can_be_asked()

    def send_heartbeat(self, session_id: str, payload: bytes) -> None:
        """Ask the kernel's heartbeat to echo a client's ``payload`` to the session."""
        if self._clients_heartbeat is None:
            # Few clients ever send one.
            socket = self._socket(zmq.DEALER)
            endpoint = self._info.endpoint(Channel.HB)
            self._clients_heartbeat = Heartbeat(
                socket, endpoint, self._listener.echo, ECHO_PATIENCE
            )
        self._clients_heartbeat.send(session_id, payload)

    def beat(self, session_id: str, payload: bytes) -> None:
        """Send a beat of w2z's own, whatever clients send."""
        self._heartbeat.send(session_id, payload)

    async def last_words(
        self,
        seconds: float,
        most: float,
        *,
        has_ended: bool = True,
        is_over: bool = False,
        counts_rest: bool = True,
    ) -> None:
        """Receive and carry the kernel's last words until nothing is left. For a kernel that
        ``has_ended``, first wait for the end of iopub's connection. ``is_over`` says that its
        process has ended: then an earlier connection's end is not the one to wait for.

        Takes at most ``seconds`` to notice the end and ``most`` to receive; receiving, too, takes
        at most ``seconds`` while iopub is connected: libzmq may have connected again, to a kernel
        that never stops sending. With ``counts_rest`` it takes a moment more to count what is left.
        The event loop runs other work meanwhile.
        """
        if is_over and self._is_iopub_up:
            self._is_lost.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if has_ended and self._is_iopub_up:
                    # libzmq reports the end behind everything that the connection received.
                    await self._is_lost.wait()
                # Replies have connections of their own, which end at the same time.
                await asyncio.sleep(IOPUB_POLL_INTERVAL)
        begun, has_more = time.monotonic(), True
        while has_more and time.monotonic() - begun < (seconds if self._is_iopub_up else most):
            has_more = self._look_everywhere()
            await asyncio.sleep(0)
        if counts_rest:
            await self._receive_rest()
        self._is_lost.clear()

    async def _receive_rest(self) -> None:
        """Receive the output that libzmq holds, in parts, without carrying it. What is not carried
        before the sockets are replaced is missing, and clients hear how much that is.
        """
        limit = self._iopub.received + IOPUB_MARK
        while not self._iopub.is_emptied and self._iopub.received < limit:
            self._iopub.receive_ahead()
            await asyncio.sleep(0)

    def _look_everywhere(self) -> bool:
        """Receive one batch from each socket, iopub's by way of the backlog. Returns whether there
        may be more.
        """
        has_more = self._iopub.receive_batch()
        # Carrying a batch may give up sessions and close their sockets: look each session up when
        # its turn comes.
        for session_id in list(self._dealers):
            for channel in (Channel.SHELL, Channel.STDIN, Channel.CONTROL):
                dealers = self._dealers.get(session_id)
                socket = None if dealers is None else dealers.get(channel)
                if socket is not None and socket.receive_batch():
                    has_more = True
        return has_more

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Close all sockets. Blocks up to ``linger_ms`` for messages that have not left yet. Does
        nothing when called again.
        """
        if self._context.closed:
            return
        # Link.close carries them, behind the word that output is missing.
        for held in self._held.due(0, is_emptied=True):
            self._backlog.then(held.carry, held.size)
        # Monitors before their sockets.
        for monitor in self._monitors:
            monitor.close()
        for session_id in list(self._dealers):
            self.close_session(session_id, linger_ms)
        self._iopub.close(0)
        self._heartbeat.close()
        if self._clients_heartbeat is not None:
            self._clients_heartbeat.close()
        # In a thread, because libzmq's own threads may take their time on a busy machine. Waited
        # for, because the sockets to the next kernel have the same identities.
        with contextlib.suppress(TimeoutError):
            at_once(linger_ms / 1000 + TERM_PATIENCE, self._context.term)

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        configure(socket, self._info, self._max_size)
        return socket

    def _open_heartbeat(self) -> Heartbeat:
        socket = self._socket(zmq.DEALER)
        keep_alive(socket)
        # Beats are so small that a stopped kernel's host has room for years of them: if TCP gets no
        # confirmation of one, the host has vanished.
        socket.setsockopt(zmq.TCP_MAXRT, KEEPALIVE_AT_MOST * 1000)
        self._monitors.append(Monitor(socket, self._on_heartbeat_change))
        return Heartbeat(socket, self._info.endpoint(Channel.HB), self._listener.echo, 0)

    def _open_iopub(self) -> DrainedSocket:
        socket = self._socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, IOPUB_MARK)
        keep_alive(socket)
        # Subscribe before connecting: else a message could come between the two and be missed.
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._is_lost = asyncio.Event()
        endpoint = self._info.endpoint(Channel.IOPUB)

        def connect_again() -> bool:
            # What was received before has to be read first: it goes with the old connection.
            if not self._iopub.is_emptied:
                return False
            # libzmq ignores another connection to an endpoint that it has.
            with contextlib.suppress(zmq.ZMQError):
                socket.disconnect(endpoint)
            socket.connect(endpoint)
            self._listener.refused(FRAME_SIZE_FACTOR * self._max_size)
            return True

        def overrun() -> None:
            if self._room.is_used_up:
                # With its connection goes all that waits. The monitor is told of the next one only,
                # so nobody takes the kernel for gone.
                self._is_iopub_up = False
                socket.disconnect(endpoint)
                socket.connect(endpoint)
                self._backlog.then(self._listener.overran)

        self._monitors.append(Monitor(socket, self._on_iopub_change, connect_again))
        socket.connect(endpoint)
        return DrainedSocket(
            socket,
            partial(self._listener.from_kernel, None, Channel.IOPUB),
            min_frames=self._min_frames,
            poll_interval=IOPUB_POLL_INTERVAL,
            steady_interval=IOPUB_STEADY_INTERVAL,
            backlog=self._backlog,
            looked=self._release,
            overrun=overrun,
            max_size=self._max_size,
        )

    def _open_dealer(
        self,
        session_id: str,
        name: bytes,
        channel: Channel,
        on_change: Callable[[bool], None] | None = None,
    ) -> tuple[DrainedSocket, Monitor | None]:
        socket = self._socket(zmq.DEALER)
        monitor = None
        try:
            socket.setsockopt(zmq.SNDHWM, SEND_MARK)
            socket.setsockopt(zmq.IDENTITY, name)
            if on_change is not None:
                monitor = Monitor(socket, on_change)
            socket.connect(self._info.endpoint(channel))
        except zmq.ZMQError:
            if monitor is not None:
                monitor.close()
            socket.close(0)
            raise
        drained = DrainedSocket(
            socket,
            partial(self._receive_addressed, session_id, channel),
            partial(self._listener.writable, session_id),
            min_frames=self._min_frames,
            max_size=self._max_size,
            under_way=UnderWay(self._under_way),
        )
        return drained, monitor

    def _on_iopub_change(self, is_up: bool) -> None:
        self._is_iopub_up = is_up
        if is_up:
            self._listener.reached()
        else:
            self._is_lost.set()
            self._listener.hung_up()

    def _on_shell_change(self, is_up: bool) -> None:
        self._listener.shell_reached(is_up=is_up)

    def _on_heartbeat_change(self, is_up: bool) -> None:
        self._has_broken = self._has_broken or not is_up
        self.is_unbroken = not self._has_broken
        if not is_up:
            self._listener.heart_stopped()

    def _receive_addressed(
        self, session_id: str, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        # Output that has already arrived goes first, so that no reply overtakes it. A reply on
        # control does not wait for it, because it is wanted at once. What comes next is the idle
        # behind this reply, for which nobody should wait, and then nothing for a while.
        self._iopub.receive_batch(flows=False)
        if self._iopub.is_emptied and not (self._held or self._backlog):
            self._listener.from_kernel(session_id, channel, batch)
            return
        carry = partial(self._listener.from_kernel, session_id, channel, batch)
        if channel is Channel.CONTROL:
            carry()
            return
        size = sum(map(len, chain.from_iterable(batch)))
        self._held.add(self._iopub.received + IOPUB_MARK, size, carry)
        self._release()

    def _release(self) -> None:
        """Carry the replies whose output has been received, behind that output.

        That is known when iopub had no more, or has given as much as libzmq holds. Until then it
        is received a part at a time, so that no single step holds up the event loop.
        """
        if not self._held:
            return
        iopub = self._iopub
        for held in self._held.due(iopub.received, is_emptied=iopub.is_emptied):
            if self._backlog:
                self._backlog.then(held.carry, held.size)
            else:
                held.carry()

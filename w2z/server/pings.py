"""The pings of one websocket, sent when its acknowledgement says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from w2z.bridge.client import Then
from w2z.server.acknowledgement import Acknowledgement, Due
from w2z.server.connections import Connection
from w2z.server.outbox import Outbox


class Pings:
    """Runs the timer of one :class:`~w2z.server.acknowledgement.Acknowledgement`.

    ``send`` sends a ping and calls :meth:`asked`; ``give_up`` closes the connection of a peer that
    has vanished; ``go_on`` writes more to a client that catches up.
    """

    def __init__(
        self,
        acks: Acknowledgement,
        connection: Connection,
        outbox: Outbox,
        *,
        send: Callable[[], None],
        give_up: Callable[[], None],
        go_on: Callable[[], None],
    ) -> None:
        self._acks = acks
        self._connection = connection
        self._outbox = outbox
        self._send = send
        self._give_up = give_up
        self._go_on = go_on
        self._timer_at: float | None = None

    def begin(self) -> None:
        """Start the timer."""
        self._follow()

    def stop(self) -> None:
        """Leave the connection's only timer to the closing handshake."""
        self._timer_at = inf

    def heard(self) -> None:
        """Take note of a sign of life: the peer sent data, or w2z did not read from it."""
        self._acks.heard()

    def is_gone(self) -> bool:
        """Whether the peer has given no sign of life since this was asked before, a while ago. If
        it was not asked before, a ping asks it for one.
        """
        moment = now()
        if self._acks.is_gone(moment):
            return True
        if self._acks.doubt(moment):
            self._send()
        return False

    @property
    def is_waiting(self) -> bool:
        """Whether the client has to answer before more is written that it catches up with."""
        return self._acks.is_waiting

    def wrote(self, then: Then) -> bool:
        """Take note of a batch that is being written. Returns whether to send a ping along; then
        call :meth:`asked`.
        """
        asks = self._acks.wrote(now(), then)
        if not asks:
            self._follow()
        return asks

    def asked(self, position: int) -> None:
        """Take note of a ping that carries ``position``."""
        self._acks.asked(now(), position)
        self._follow()

    def pong(self, data: bytes) -> int | None:
        """Take note of a pong; return the position before which all has arrived, if it has one."""
        position = self._acks.pong(data, now())
        self._follow()
        return position

    def _follow(self) -> None:
        """Set the connection's timer to an earlier deadline, unless :meth:`stop` was called.

        To a later one it is set when it fires: nearly all are put off again before that.
        """
        deadline = self._acks.next_deadline()
        if self._timer_at is None or deadline < self._timer_at < inf:
            self._timer_at = deadline
            self._connection.set_timer(deadline - now(), self._on_timer)

    def _on_timer(self) -> None:
        # A timer may fire slightly early: poll with the deadline that it was set for.
        moment, self._timer_at = max(now(), self._timer_at or 0.0), None
        due = self._acks.poll(
            moment,
            self._outbox.taken,
            unsent=self._outbox.unsent,
            held_back=self._connection.reading.is_stopped,
        )
        if due is Due.DEAD:
            self._give_up()
        elif due is Due.PING:
            self._send()
        elif due is Due.GO_ON:
            self._go_on()
        self._follow()


def now() -> float:
    """Return the event loop's time, in seconds."""
    return asyncio.get_running_loop().time()

"""When to ask a client what has arrived, what its answer proves, and when it has vanished.

A ping carries a position: the client was handed everything before it. The pong returns the position
(RFC 6455 section 5.5.3), and so proves that everything before it has arrived, because frames keep
their order.

When to ask. A batch is asked about in the same write, if no question is out and :data:`ACK_PAUSE`
has passed since the last one; else when both is so. Where a batch *ends* what a client waits for,
such as a cell, or is a part of what a client catches up with, it is asked about at once all the
same, unless :data:`MOST_QUESTIONS` are out. So a client that leaves when it has what it wanted has
been asked about all of it, and while output flows there is not a ping for each message.

    the last question    ACK_PAUSE has passed    a batch            a batch that ends something
    is answered          yes                     ask                ask
    is answered          no                      ask when it has    ask
    is out               -                       ask after it       ask, if few questions are out

A client whose session is not resumable is asked nothing.

What a client catches up with is written a little at a time in the beginning: it has to answer
:data:`CAREFUL` times, within :data:`CAREFUL_FOR` each, before more is written. So of a connection
that is cut again soon, the next one gets little once more.

When it has vanished. The same pings keep an idle connection open in proxies. If no pong has come
for a ping interval, a ping is sent, whatever else is out; if there is no sign of life within the
ping timeout after that, the peer is dead. A question about a batch sets no clock of its own: a
client may read nothing for as long as both take.

A sign of life is any data from the peer, or that it takes data while more waits: the pong may be
behind a large payload, or the ping behind much output. A peer that w2z does not read from cannot
give a sign of life, so it is not closed. Any pong may acknowledge a position; the hub ignores a
position beyond what it handed out.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

from w2z.bridge.client import Then

ACK_PAUSE = 0.02
"""Seconds from one question to the next, while messages are being written."""

DOUBT = 0.5
"""Seconds in which a peer that is asked for a sign of life has to give one."""

MOST_QUESTIONS = 4
"""Questions that may be out at once."""

CAREFUL = 8
"""How often a client that begins to catch up has to answer before more is written."""

CAREFUL_FOR = 0.05
"""Seconds after which more is written without an answer: the client is far away, or reads slowly.
"""

MAX_POSITION_DIGITS = 20
"""Digits of a position in a pong. One with more is ignored; no journal gets that far."""


class Due(Enum):
    """What the caller has to do at a deadline."""

    PING = auto()
    """Send a ping with the present position, then call :meth:`Acknowledgement.asked`."""
    DEAD = auto()
    """Close the connection: the peer has vanished."""
    GO_ON = auto()
    """Write more, although the client has not answered."""


class Acknowledgement:
    """The state of one connection's pings. ``now`` is of any clock that does not go back.

    Call :meth:`poll` at :meth:`next_deadline`, which every other call may change. ``resumable``
    tells whether the client can resume its session later.
    """

    def __init__(
        self, *, resumable: bool, ping_interval: float, ping_timeout: float, now: float
    ) -> None:
        self.is_dead = False
        self._resumable = resumable
        self._interval = ping_interval
        self._timeout = ping_timeout
        # Questions.
        self._owes = False
        """Whether something was written since the last question."""
        self._out: list[int] = []
        """The positions of the questions that are out."""
        self._asked_at = -inf
        self._careful = CAREFUL
        self._waits_until = inf
        """When more is written even if the client has not answered; infinity: at once."""
        # Life.
        self._keep_at = now + ping_interval
        """When a ping is due, if no pong comes before."""
        self._doubted_at: float | None = None
        """When the peer was asked for a sign of life, if it has given none since."""
        self._dies_at = inf
        """When the peer is dead, without a sign of life: it was sent a ping for that."""
        self._was_heard = False
        self._taken = 0

    def next_deadline(self) -> float:
        """Return when to call :meth:`poll`; infinity for a peer that has vanished."""
        if self.is_dead:
            return inf
        return min(self._ask_at, self._keep_at, self._dies_at, self._waits_until)

    @property
    def is_waiting(self) -> bool:
        """Whether the client has to answer before more is written that it catches up with."""
        return self._waits_until < inf

    def wrote(self, now: float, then: Then) -> bool:
        """Take note of a batch that is being written, and of what comes after it.

        Returns whether to send a ping along: if so, call :meth:`asked`, too.
        """
        if not self._resumable or self.is_dead:
            return False
        self._owes = True
        at_once = then is not Then.ANY
        asks = len(self._out) < MOST_QUESTIONS if at_once else now >= self._ask_at
        if asks and then is Then.MORE and self._careful:
            self._careful -= 1
            self._waits_until = now + CAREFUL_FOR
        return asks

    def heard(self) -> None:
        """Take note of a sign of life: the peer sent data, or w2z did not read from it."""
        self._was_heard = True
        self._doubted_at = None

    def doubt(self, now: float) -> bool:
        """Take note that the peer is asked for a sign of life. Returns whether to send a ping."""
        if self._doubted_at is not None:
            return False
        self._doubted_at = now
        return True

    def is_gone(self, now: float) -> bool:
        """Whether the peer has given no sign of life for :data:`DOUBT` seconds after a doubt."""
        is_late = self._doubted_at is not None and now >= self._doubted_at + DOUBT
        return is_late or self.is_dead

    def poll(self, now: float, taken: int, *, unsent: int, held_back: bool) -> Due | None:
        """Return what is due, or ``None``.

        ``taken`` counts the bytes that have left the transport, ``unsent`` those that wait in its
        write buffer; ``held_back`` tells that w2z does not read from the peer now.
        """
        if self.is_dead:
            return None
        if now >= self._dies_at:
            # An empty buffer proves nothing: the network may still hold its bytes.
            is_taking = unsent > 0 and taken > self._taken
            if not (self._was_heard or is_taking or held_back):
                self.is_dead = True
                return Due.DEAD
            self._watch(now, taken)
        if now >= self._keep_at:
            self._keep_at = inf
            self._watch(now, taken)
            return Due.PING
        if now >= self._waits_until:
            self._waits_until, self._careful = inf, 0
            return Due.GO_ON
        return Due.PING if now >= self._ask_at else None

    def asked(self, now: float, position: int) -> None:
        """Take note of a ping that carries ``position``."""
        self._owes = False
        self._asked_at = now
        self._out.append(position)

    def pong(self, payload: bytes, now: float) -> int | None:
        """Take note of a pong; return the position before which all has arrived, if it has one.

        A pong with a position answers the questions up to it, because a peer may answer only the
        latest (RFC 6455 section 5.5.3); one without, all of them.
        """
        if not self.is_dead:
            self._keep_at, self._dies_at = now + self._interval, inf
        self._waits_until = inf
        if payload.isdigit() and len(payload) <= MAX_POSITION_DIGITS:
            position = int(payload)
            self._out = [one for one in self._out if one > position]
            return position
        self._out.clear()
        return None

    @property
    def _ask_at(self) -> float:
        return self._asked_at + ACK_PAUSE if self._owes and not self._out else inf

    def _watch(self, now: float, taken: int) -> None:
        self._was_heard = False
        self._taken = taken
        self._dies_at = now + self._timeout


def ping_payload(position: int) -> bytes:
    """Return the data of a ping, which :meth:`Acknowledgement.pong` reads from its pong."""
    return b"%d" % position

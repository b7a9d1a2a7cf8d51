"""When to ping a client, what its pong proves, and when to take the peer for vanished.

A ping carries a position: the client was handed everything before it. The pong returns the position
(RFC 6455 section 5.5.3), and so proves that everything before it has arrived, because frames keep
their order. The same pings keep an idle connection open in proxies, and find peers that have
vanished.

There is one deadline at a time; the state says what it is for:

    state    deadline                          then
    QUIET    keepalive interval                a ping: ASKED
    OWING    ack delay                         a ping: ASKED
    PAUSING  ack pause                         a ping: ASKED
    ASKED    pong timeout                      ASKED again after a sign of life, else DEAD
    DEAD     none                              nothing

Nothing else changes the state:

    QUIET    messages were written             OWING
    QUIET    a pong that no ping asked for     QUIET, for another interval
    ASKED    a pong, after more was written    PAUSING
    ASKED    a pong, and nothing was written   QUIET

A client whose session is not resumable has nothing to acknowledge: it is never OWING or PAUSING.
Any pong answers the ping that is out, whatever data it carries. Any pong may acknowledge a
position; the hub ignores a position beyond what it handed out.

A sign of life is any data from the peer, or that it takes data while more waits: the pong may be
behind a large payload, or the ping behind much output. A peer that w2z does not read from cannot
give a sign of life, so it is not closed.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

ACK_DELAY = 0.005
"""Seconds from a write until the ping that asks whether it arrived: one ping serves all messages
that are written together.
"""

ACK_PAUSE = 0.02
"""Seconds from a pong until the next such ping, while messages are being written."""

MAX_POSITION_DIGITS = 20
"""Digits of a position in a pong. One with more is ignored; no journal gets that far."""


class State(Enum):
    """What the deadline is for: see the tables at the top of this module."""

    QUIET = auto()
    OWING = auto()
    PAUSING = auto()
    ASKED = auto()
    DEAD = auto()


class Due(Enum):
    """What the caller has to do at a deadline."""

    PING = auto()
    """Send a ping with the present position, then call :meth:`Acknowledgement.asked`."""
    DEAD = auto()
    """Close the connection: the peer has vanished."""


class Acknowledgement:
    """The state of one connection's pings. ``now`` is of any clock that does not go back.

    Call :meth:`poll` at :meth:`next_deadline`, which every other call may change. ``resumable``
    tells whether the client can resume its session later.
    """

    def __init__(
        self, *, resumable: bool, ping_interval: float, ping_timeout: float, now: float
    ) -> None:
        self._resumable = resumable
        self._seconds = {
            State.QUIET: ping_interval,
            State.OWING: ACK_DELAY,
            State.PAUSING: ACK_PAUSE,
            State.ASKED: ping_timeout,
            State.DEAD: inf,
        }
        self._wrote = False
        self._was_heard = False
        self._taken = 0
        self._enter(State.QUIET, now)

    def next_deadline(self) -> float:
        """Return when to call :meth:`poll`; infinity for a peer that has vanished."""
        return self._deadline

    def wrote(self, now: float) -> None:
        """Take note that messages were written to the client."""
        self._wrote = self._resumable
        if self._wrote and self.state is State.QUIET:
            self._enter(State.OWING, now)

    def heard(self) -> None:
        """Take note of a sign of life: the peer sent data, or w2z did not read from it."""
        self._was_heard = True

    def poll(self, now: float, taken: int, *, unsent: int, held_back: bool) -> Due | None:
        """Return what is due, or ``None``.

        ``taken`` counts the bytes that have left the transport, ``unsent`` those that wait in its
        write buffer; ``held_back`` tells that w2z does not read from the peer now.
        """
        if now < self._deadline:
            return None
        if self.state is not State.ASKED:
            return Due.PING
        # An empty buffer proves nothing: the network may still hold its bytes.
        is_taking = unsent > 0 and taken > self._taken
        if not (self._was_heard or is_taking or held_back):
            self._enter(State.DEAD, now)
            return Due.DEAD
        self._wait_for_pong(now, taken)
        return None

    def asked(self, now: float, taken: int) -> None:
        """Take note of a ping, sent when ``taken`` bytes had left the transport."""
        self._wrote = False
        self._wait_for_pong(now, taken)

    def pong(self, payload: bytes, now: float) -> int | None:
        """Take note of a pong; return the position before which all has arrived, if it has one."""
        if self.state is State.ASKED:
            self._enter(State.PAUSING if self._wrote else State.QUIET, now)
        elif self.state is State.QUIET:
            self._enter(State.QUIET, now)
        if payload.isdigit() and len(payload) <= MAX_POSITION_DIGITS:
            return int(payload)
        return None

    def _wait_for_pong(self, now: float, taken: int) -> None:
        self._was_heard = False
        self._taken = taken
        self._enter(State.ASKED, now)

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        self._deadline = now + self._seconds[state]


def ping_payload(position: int) -> bytes:
    """Return the data of a ping, which :meth:`Acknowledgement.pong` reads from its pong."""
    return b"%d" % position

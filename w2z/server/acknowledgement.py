"""When to ask a client how far it has read, and when to take it for dead.

A ping carries a position: how much the client was handed before. Its pong returns the position, and
so says that all before it has arrived, because frames keep their order (RFC 6455 section 5.5.3).
The same pings keep an idle connection open in proxies, and find peers that have vanished.

There is one deadline at a time; the state says what it means:

    state    deadline                          then
    QUIET    keepalive interval                a ping: ASKED
    OWING    ack delay                         a ping: ASKED
    PAUSING  ack pause                         a ping: ASKED
    ASKED    pong timeout                      ASKED again after a sign of life, else DEAD
    DEAD     none                              nothing

Nothing else changes the state:

    QUIET    something was written             OWING
    QUIET    a pong nobody asked for           QUIET, for another interval
    ASKED    a pong, and more was written      PAUSING
    ASKED    a pong, and nothing was           QUIET

A client that has no session to come back to acknowledges nothing: it is never OWING or PAUSING. Any
pong answers the ping that is out, whatever it carries; a position counts wherever it comes from,
the hub ignores those that it never gave out. A sign of life is anything that the peer sent, or took
of what waits for it: its pong may be behind a large message, or the ping behind much output. A peer
that w2z itself does not read gives none and is not to blame.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf

ACK_DELAY = 0.005
"""Seconds after a write until a ping asks whether it has arrived: what comes together is asked for
together.
"""

ACK_PAUSE = 0.02
"""Seconds between a pong and the next such ping while output flows."""

MAX_POSITION_DIGITS = 20
"""Of a position in a pong; no journal gets that far."""


class State(Enum):
    """What the deadline means: see the table on top."""

    QUIET = auto()
    OWING = auto()
    PAUSING = auto()
    ASKED = auto()
    DEAD = auto()


class Due(Enum):
    """What there is to do at a deadline."""

    PING = auto()
    """Send a ping with the present position, then call :meth:`Acknowledgement.asked`."""
    DEAD = auto()
    """Close the connection: the peer has vanished."""


class Acknowledgement:
    """One connection's pings. Seconds are of any clock that does not go back.

    Call :meth:`poll` at :meth:`next_deadline`, which every other call may change. ``resumable``
    tells whether the client has a session to come back to.
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
        self._unsent = 0
        self._enter(State.QUIET, now)

    def next_deadline(self) -> float:
        """When to call :meth:`poll`; infinity for a peer that is dead."""
        return self._deadline

    def wrote(self, now: float) -> None:
        """Messages were written to the client."""
        self._wrote = self._resumable
        if self._wrote and self.state is State.QUIET:
            self._enter(State.OWING, now)

    def heard(self) -> None:
        """The peer sent something, or would have if it had been read."""
        self._was_heard = True

    def poll(self, now: float, unsent: int, *, held_back: bool) -> Due | None:
        """What is due.

        ``unsent`` is how many bytes the peer has yet to take of what was written to it;
        ``held_back`` tells that it is not read from.
        """
        if now < self._deadline:
            return None
        if self.state is not State.ASKED:
            return Due.PING
        # A buffer that is empty says nothing: the network may hold what was in it.
        is_taking = unsent not in (0, self._unsent)
        if not (self._was_heard or is_taking or held_back):
            self._enter(State.DEAD, now)
            return Due.DEAD
        self._wait_for_pong(now, unsent)
        return None

    def asked(self, now: float, unsent: int) -> None:
        """A ping was sent, and ``unsent`` bytes wait, the ping perhaps among them."""
        self._wrote = False
        self._wait_for_pong(now, unsent)

    def pong(self, payload: bytes, now: float) -> int | None:
        """The peer sent a pong; returns the position up to which all has arrived, if it says so."""
        if self.state is State.ASKED:
            self._enter(State.PAUSING if self._wrote else State.QUIET, now)
        elif self.state is State.QUIET:
            self._enter(State.QUIET, now)
        if payload.isdigit() and len(payload) <= MAX_POSITION_DIGITS:
            return int(payload)
        return None

    def _wait_for_pong(self, now: float, unsent: int) -> None:
        self._was_heard = False
        self._unsent = unsent
        self._enter(State.ASKED, now)

    def _enter(self, state: State, now: float) -> None:
        self.state = state
        self._deadline = now + self._seconds[state]


def ping_payload(position: int) -> bytes:
    """What a ping carries, for :meth:`Acknowledgement.pong` to read again."""
    return b"%d" % position

"""The bytes that w2z holds for its peers, in sum: a limit for each of them is none for many.

Two kinds of bytes count:

- What a peer has begun to send, and w2z cannot use yet: payloads of websockets, bodies of requests.
  Each such peer has an :class:`Account`. All accounts together have a share of the limit. Beyond it
  there is a *crowd*: of the peers that send something long only the one with the most, the leader,
  is read from, because it is done first. A leader that is not done in time is given up; else one
  that is silent in the midst of a message would hold up the others for ever.
- What w2z keeps and passes on in its own time: messages for clients, requests for the kernel. These
  are only looked at; their owners bound them. While everything together exceeds the limit, peers
  that are in the midst of something long are not read from.
"""

from __future__ import annotations

from collections.abc import Callable

SHARE = 0.5
"""The accounts' part of the limit: so much may one message, or body, have at most. Those that wait
for the leader have less than the share, so that in a crowd, too, the limit is kept.
"""

ALWAYS_READ = 2**16
"""Bytes that a peer may have sent of something while there is no room: most messages are shorter,
and so are pings and the close.
"""

LOOK_FOR_ROOM = 0.05
"""Seconds after which a peer that has to wait looks again. Nothing tells it when there is room."""


class Holdings:
    """The sum. ``limit`` is in bytes; ``patience`` is the seconds that a leader has. ``now`` is of
    any clock that does not go back.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self.limit = limit
        self.share = int(limit * SHARE)
        self.begun = 0
        """Bytes in all accounts."""
        self._patience = patience
        self._holders: set[Account] = set()
        self._kept: list[Callable[[], int]] = []
        self._leader: Account | None = None
        self._leads_until = 0.0

    def count(self, kept: Callable[[], int]) -> None:
        """Add to the sum, from now on, the bytes that ``kept`` returns whenever it is called."""
        self._kept.append(kept)

    @property
    def total(self) -> int:
        """The bytes held now."""
        return self.begun + sum(kept() for kept in self._kept)

    def account(self, give_up: Callable[[], None]) -> Account:
        """Return a new account. ``give_up`` has to end what its peer has begun to send."""
        return Account(self, give_up)

    def change(self, account: Account, size: int) -> None:
        """Called by accounts alone."""
        self.begun += size - account.held
        account.held = size
        if size:
            self._holders.add(account)
        else:
            self._holders.discard(account)

    def has_to_wait(self, account: Account, now: float) -> bool:
        """Called by accounts alone. May call ``give_up``, of any account."""
        if account.held <= ALWAYS_READ:
            return False
        if self.begun <= self.share:
            self._leader = None
        elif account is not self._lead(now):
            return True
        return self.total > self.limit

    def _lead(self, now: float) -> Account:
        """Return the leader of the crowd, after giving up one whose time is over."""
        leader = self._leader
        if leader is not None and leader.held and now >= self._leads_until:
            leader.hold(0)
            leader.give_up()
        if leader is None or not leader.held:
            leader = self._leader = max(self._holders, key=lambda one: one.held)
            self._leads_until = now + self._patience
        return leader


class Account:
    """What one peer has begun to send."""

    def __init__(self, holdings: Holdings, give_up: Callable[[], None]) -> None:
        self.held = 0
        self.give_up = give_up
        self._holdings = holdings

    def hold(self, size: int) -> None:
        """Say how many bytes are held now."""
        if size != self.held:
            self._holdings.change(self, size)

    def has_to_wait(self, now: float) -> bool:
        """Whether the peer must not be read from now: look again after :data:`LOOK_FOR_ROOM`.

        May call ``give_up``, of this account or of any other.
        """
        return self._holdings.has_to_wait(self, now)

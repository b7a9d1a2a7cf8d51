"""How long a peer waits for being told that its token is not right.

A right token is never made to wait, and nobody is locked out: behind a proxy one address may be
that of everybody. What makes a token hard to guess is its length; the wait keeps guesses from being
a load.
"""

from __future__ import annotations

FREE = 10
"""Failures without a wait: clients ask for several things before a person sees that all failed."""

FIRST = 0.02
LONGEST_WAIT = 0.25
"""Seconds of the first wait and of the longest; it doubles with each failure. It is short because
a stranger that waits has a place.
"""

FORGOTTEN = 60.0
"""Seconds without a failure after which a peer begins anew."""

MOST_PEERS = 1024
"""Peers that are remembered; the one whose last failure is longest ago is forgotten first."""


class Failures:
    """The failures of each peer, by a text that stands for the peer."""

    def __init__(self) -> None:
        # In the order of the last failure.
        self._failed: dict[str, tuple[int, float]] = {}

    def add(self, peer: str, now: float) -> float:
        """Count a failure at ``now``, in seconds; return the seconds to wait before the answer."""
        count, last = self._failed.pop(peer, (0, now))
        count = 1 if now - last > FORGOTTEN else count + 1
        if len(self._failed) >= MOST_PEERS:
            del self._failed[next(iter(self._failed))]
        self._failed[peer] = (count, now)
        surplus = count - FREE
        # The exponent is bounded: it would be a long number after thousands of failures.
        return min(LONGEST_WAIT, FIRST * 2.0 ** min(surplus - 1, 16)) if surplus > 0 else 0.0

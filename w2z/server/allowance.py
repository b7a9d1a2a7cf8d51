"""The bytes of unfinished requests that w2z keeps for all connections together.

Each connection has limits of its own, but a thousand of them at once would be more than the memory
of a small container. Strangers get a part of it only, so that they cannot take what the others
need.
"""

from __future__ import annotations

LEAST = 32 * 2**20
"""Bytes in sum, unless ``--max-body-size`` is so large that two such bodies need more."""


class Allowance:
    """The bytes that may be held, and those that are."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.for_strangers = total // 2
        self.held = 0
        self.held_by_strangers = 0

    @classmethod
    def for_bodies_of(cls, max_body_size: int) -> Allowance:
        """Return one that has room for two of the largest bodies, whatever their limit is."""
        return cls(max(LEAST, 2 * max_body_size))


class Share:
    """One connection's part of the allowance; a stranger's until :meth:`know`."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.held = 0
        """Bytes that are held for this connection."""
        self._is_known = False

    def know(self) -> None:
        """The peer presented a right token: what it holds is a stranger's no more."""
        if not self._is_known:
            self._is_known = True
            self._allowance.held_by_strangers -= self.held

    def hold(self, count: int) -> bool:
        """Change the number of bytes that are held to ``count``.

        Return ``False`` if there is no room for more: then nothing changes, and the caller has to
        let go what it holds.
        """
        more, allowance = count - self.held, self._allowance
        if more > 0 and allowance.held + more > allowance.total:
            return False
        if not self._is_known:
            if more > 0 and allowance.held_by_strangers + more > allowance.for_strangers:
                return False
            allowance.held_by_strangers += more
        allowance.held += more
        self.held = count
        return True

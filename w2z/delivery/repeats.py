"""Which requests of a session were forwarded already, so that none is executed twice.

A client that comes back may send again what it does not know to have arrived. A request is a
repeat when an *earlier* connection of its session forwarded the same: channel, parts and buffers.
Within one connection nothing is: some clients use one msg_id for everything.
"""

from __future__ import annotations

REMEMBERED = 4096
"""Requests remembered for each session, the latest: clients repeat what was under way."""


class Forwarded:
    """The requests of one session, each known by the hash of its message."""

    def __init__(self) -> None:
        self._before: dict[int, None] = {}
        self._now: dict[int, None] = {}

    def next_connection(self) -> None:
        """What was forwarded until now may be sent again."""
        self._before.update(self._now)
        self._now.clear()
        _shorten(self._before)

    def is_repeat(self, digest: int) -> bool:
        """Whether an earlier connection forwarded it."""
        return digest in self._before

    def note(self, digest: int) -> None:
        """It was forwarded."""
        self._now[digest] = None
        _shorten(self._now)


def _shorten(requests: dict[int, None]) -> None:
    while len(requests) > REMEMBERED:
        del requests[next(iter(requests))]

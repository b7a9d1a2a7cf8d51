"""What the connections of one listener share, so that none of them takes what is there for all.

Who gets a place, how many bytes of unfinished requests are kept, and what happens to peers whose
token is not right. The decisions are those of the modules that it holds together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from w2z.errors import TokenRefused
from w2z.reports import Reports
from w2z.server.access.failures import Failures
from w2z.server.access.peers import UNKNOWN, Proxies, neighbourhood
from w2z.server.allowance import Allowance, Share
from w2z.server.connections import Connection
from w2z.server.places import Places
from w2z.server.request import Request
from w2z.settings import Settings

SPARE = 64
"""Places beside ``--max-connections`` that known connections never get: a probe always finds one.
"""


class Door:
    """The state that all connections share. One per listener."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self.reports = reports
        self.proxies = Proxies(settings.trust_proxy)
        self.places: Places[Visitor] = Places(settings.max_connections, SPARE)
        self.allowance = Allowance.for_bodies_of(settings.max_body_size)
        self.failures = Failures()
        self._visitors: dict[Connection, Visitor] = {}

    def arrive(self, connection: Connection) -> Visitor:
        """Give a connection that opened a place. The longest idle stranger is cut for it."""
        visitor = self._visitors[connection] = Visitor(self, connection)
        # The address of a proxy says nothing about who is behind it.
        address = None if visitor.is_proxy else neighbourhood(visitor.address)
        _cut(self.places.arrive(visitor, address))
        return visitor

    def leave(self, connection: Connection) -> None:
        """Free the place of a connection that is closed."""
        visitor = self._visitors.pop(connection, None)
        if visitor is not None:
            self.places.leave(visitor)


class Visitor:
    """The peer of one connection, as the door knows it."""

    def __init__(self, door: Door, connection: Connection) -> None:
        self._door = door
        self._connection = connection
        peer = connection.transport.get_extra_info("peername")
        self.address: str = peer[0] if peer else UNKNOWN
        """The address at the other end of the connection."""
        self.origin = self.address
        """The address that the last request came from."""
        self.is_proxy = door.proxies.are_trusted(self.address)
        self._share = Share(door.allowance)

    @property
    def is_known(self) -> bool:
        """Whether a request on this connection has presented a right token."""
        return self._door.places.is_known(self)

    def asks(self, request: Request) -> None:
        """Take note of where a request comes from."""
        if self.is_proxy:
            forwarded = request.header_list("x-forwarded-for")
            self.origin = self._door.proxies.origin_of(self.address, forwarded)
            _cut(self._door.places.locate(self, neighbourhood(self.origin)))

    def know(self) -> bool:
        """A request presented a right token: return whether there is a place for its connection."""
        if not self._door.places.know(self):
            return False
        self._share.know()
        return True

    def served(self) -> None:
        """A request was answered."""
        self._door.places.served(self)

    def refuse(self, error: TokenRefused) -> float:
        """Count and log a request without a right token; return how long its answer waits."""
        self._door.reports.refused_token(self.origin, error.message.partition(":")[0])
        now = asyncio.get_running_loop().time()
        return self._door.failures.add(neighbourhood(self.origin), now)

    def hold(self, count: int) -> bool:
        """Whether ``count`` bytes of an unfinished request may be held for it.

        Strangers that began theirs longer ago are cut first, so that they keep no newcomer out.
        """
        if self._share.hold(count):
            return True
        for other in self._door.places.strangers():
            if other is not self and other.give_way() and self._share.hold(count):
                return True
        return False

    def give_way(self) -> bool:
        """Cut the connection if anything is held for it; return whether there was."""
        held = self._share.held
        if held:
            self._share.hold(0)
            self.cut()
        return held > 0

    def cut(self) -> None:
        """Cut the connection."""
        self._connection.abort()


def _cut(visitors: Iterable[Visitor]) -> None:
    for visitor in visitors:
        visitor.cut()

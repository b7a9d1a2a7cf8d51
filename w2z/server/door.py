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
        self._reports = reports
        self._proxies = Proxies(settings.trust_proxy)
        self._places: Places[Connection] = Places(settings.max_connections, SPARE)
        self.allowance = Allowance.for_bodies_of(settings.max_body_size)
        self._failures = Failures()

    def arrive(self, connection: Connection) -> Visitor:
        """Give a connection that opened a place. The longest idle stranger is cut for it."""
        visitor = Visitor(self, connection)
        # The address of a proxy says nothing about who is behind it.
        address = None if visitor.is_proxy else neighbourhood(visitor.address)
        _cut(self._places.arrive(connection, address))
        return visitor

    def leave(self, connection: Connection) -> None:
        """Free the place of a connection that is closed."""
        self._places.leave(connection)

    # For visitors.

    @property
    def proxies(self) -> Proxies:
        """The proxies that are believed."""
        return self._proxies

    def share(self) -> Share:
        """Return a share of the allowance, with nothing in it."""
        return Share(self.allowance)

    def locate(self, connection: Connection, address: str) -> None:
        """Move a stranger to the address that its request came from."""
        _cut(self._places.locate(connection, neighbourhood(address)))

    def know(self, connection: Connection) -> bool:
        """Whether there is a place for a connection that presented a right token."""
        return self._places.know(connection)

    def is_known(self, connection: Connection) -> bool:
        """Whether a request on this connection has presented a right token."""
        return self._places.is_known(connection)

    def served(self, connection: Connection) -> None:
        """A request of this connection was answered."""
        self._places.served(connection)

    def refuse(self, address: str, error: TokenRefused) -> float:
        """Count and log a request without a right token; return how long its answer waits."""
        self._reports.refused_token(address, error.message.partition(":")[0])
        return self._failures.add(neighbourhood(address), asyncio.get_running_loop().time())


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
        self._share = door.share()

    @property
    def is_known(self) -> bool:
        """Whether a request on this connection has presented a right token."""
        return self._door.is_known(self._connection)

    def asks(self, request: Request) -> None:
        """Take note of where a request comes from."""
        if self.is_proxy:
            forwarded = request.header_list("x-forwarded-for")
            self.origin = self._door.proxies.origin_of(self.address, forwarded)
            self._door.locate(self._connection, self.origin)

    def know(self) -> bool:
        """A request presented a right token: return whether there is a place for its connection."""
        if not self._door.know(self._connection):
            return False
        self._share.know()
        return True

    def served(self) -> None:
        """A request was answered."""
        self._door.served(self._connection)

    def refuse(self, error: TokenRefused) -> float:
        """A request presented no right token: return the seconds until it is told so."""
        return self._door.refuse(self.origin, error)

    def hold(self, count: int) -> bool:
        """Whether ``count`` bytes of an unfinished request may be held for it."""
        return self._share.hold(count)


def _cut(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.abort()

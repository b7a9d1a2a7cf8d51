"""Which connections may stay when there are too many.

A connection is a *stranger's* until a request on it presents a right token; then it is *known*.
Strangers can be kept out by nobody, because a newcomer is a stranger at first, whoever it is: it
always gets a place, and the stranger that has been idle longest goes. Known connections never go
for others. One address cannot push out strangers of other addresses before it has lost its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

PeerT = TypeVar("PeerT", bound=Hashable)


class Places(Generic[PeerT]):
    """The places: ``most`` for known connections, and ``spare`` ones that only strangers get.

    Strangers may also use what the known ones leave free. The last ``spare`` places are for more
    than one address: none gets more than half of them.
    """

    def __init__(self, most: int, spare: int) -> None:
        self._most = most
        self._spare = spare
        self._known: set[PeerT] = set()
        # Both in the order of idleness, the longest idle first.
        self._strangers: dict[PeerT, str | None] = {}
        self._by_address: dict[str, dict[PeerT, None]] = {}

    def arrive(self, peer: PeerT, address: str | None) -> list[PeerT]:
        """Give a place to a newcomer; return the strangers that have to go for it.

        ``address`` is ``None`` if it means nothing, because the newcomer is a proxy.
        """
        self._strangers[peer] = address
        if address is not None:
            self._by_address.setdefault(address, {})[peer] = None
        return self._surplus(address)

    def locate(self, peer: PeerT, address: str) -> list[PeerT]:
        """A stranger's address has become known, or another; return those that have to go."""
        if peer not in self._strangers or self._strangers[peer] == address:
            return []
        self.leave(peer)
        return self.arrive(peer, address)

    def served(self, peer: PeerT) -> None:
        """A request of this peer was answered: it is the least idle one now."""
        if peer in self._strangers:
            address = self._strangers.pop(peer)
            self._strangers[peer] = address
            if address is not None:
                here = self._by_address[address]
                del here[peer]
                here[peer] = None

    def know(self, peer: PeerT) -> bool:
        """The peer presented a right token; return whether there is a place for it.

        Without a place it stays a stranger.
        """
        if peer in self._known:
            return True
        if len(self._known) >= self._most:
            return False
        self.leave(peer)
        self._known.add(peer)
        return True

    def is_known(self, peer: PeerT) -> bool:
        """Whether the peer has presented a right token."""
        return peer in self._known

    def strangers(self) -> list[PeerT]:
        """Return the strangers, the longest idle first."""
        return list(self._strangers)

    def leave(self, peer: PeerT) -> None:
        """Free the peer's place, if it has one."""
        self._known.discard(peer)
        address = self._strangers.pop(peer, None)
        if address is not None:
            here = self._by_address[address]
            del here[peer]
            if not here:
                del self._by_address[address]

    def _surplus(self, address: str | None) -> list[PeerT]:
        """Remove and return the strangers that are too many, after one more at ``address``."""
        going = []
        room = self._most + self._spare - len(self._known)
        most_of_one = max(1, self._spare // 2, room - self._spare)
        if address is not None and len(self._by_address[address]) > most_of_one:
            going.append(next(iter(self._by_address[address])))
        elif len(self._strangers) > room:
            going.append(next(iter(self._strangers)))
        for peer in going:
            self.leave(peer)
        return going

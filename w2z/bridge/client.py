"""What the bridge needs of a connected websocket, and of the sockets to the kernel; no I/O."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from w2z.errors import CloseCode
from w2z.message import Buffer
from w2z.wire.payload import Codec


class Then(Enum):
    """What comes after frames that are written to a client."""

    REST = auto()
    """Their rest: they are not whole yet."""
    ANY = auto()
    """Other frames, or none."""
    NOTHING = auto()
    """Probably nothing: they end what the client waits for, such as a cell."""
    MORE = auto()
    """More that the client catches up with; it may have to answer before it is writable."""


class Client(Protocol):
    """A connected websocket."""

    codec: Codec
    principal: str | None

    @property
    def writable(self) -> bool:
        """Whether the client takes more output now.

        An implementation calls :meth:`~w2z.bridge.fanout.Clients.stalled` when this becomes false,
        and :meth:`~w2z.bridge.fanout.Clients.flow` when it becomes true again.
        """

    @property
    def waiting(self) -> int:
        """Bytes of the client's requests that the kernel has yet to take, even after it left."""

    def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
        """Send framed payloads; other clients may be sent the same object."""

    def is_gone(self) -> bool:
        """Whether the client has given no sign of life since this was asked before, a while ago. If
        it is not known, ask the client for one.
        """

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection. Nothing is written to the client after that."""

    def retry(self) -> None:
        """Hand in refused requests again, even if the client has left.

        A client that has left then calls :meth:`~w2z.bridge.fanout.Clients.heard` if no request
        waits any more.
        """


class Sockets(Protocol):
    """The sockets to the kernel, of which each session has its own."""

    def open_session(self, session_id: str) -> None:
        """Open the session's sockets, if they are not open."""

    def close_session(self, session_id: str) -> None:
        """Close the session's sockets, if they are open."""

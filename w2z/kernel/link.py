"""The link: sockets, signer, backlog and conversation for the kernel that is there now.

A new kernel gets a new link, so these four are always replaced together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from w2z.errors import KernelMessageError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.sockets.backlog import Backlog, Parts
from w2z.kernel.sockets.channels import Channels
from w2z.kernel.sockets.listener import ChannelsListener
from w2z.kernel.sockets.room import Room
from w2z.reports import Reports
from w2z.store.store import Store
from w2z.wire.signature import Signer


class LinkListener(ChannelsListener, Protocol):
    """The callbacks for what happens on a link."""

    def may_go(self, parts: Parts, signer: Signer) -> bool:
        """Whether clients can do without the message. Raises
        :class:`~w2z.errors.KernelMessageError` for a message that cannot be read.
        """

    def missing(self, messages: int, size: int) -> None:
        """Called when output was dropped for lack of room or time: its messages and bytes."""


class Link:
    """All that w2z needs to talk to the kernel at ``info``, with sockets for each of ``sessions``.

    ``generation`` tells the identities of its sockets from those of other links (see
    :func:`~w2z.kernel.sockets.channels.identity`). ``name`` is the header session of w2z's own
    requests. ``max_size`` is the most bytes of a message from the kernel. Output that waits in
    libzmq is dropped when ``room`` is used up.
    """

    def __init__(
        self,
        info: ConnectionInfo,
        listener: LinkListener,
        *,
        generation: int,
        name: str,
        sessions: Iterable[str],
        max_sessions: int,
        max_size: int,
        store: Store | None,
        room: Room,
        reports: Reports,
    ) -> None:
        self.info = info
        self.signer = info.signer()
        self._listener = listener
        self.backlog = Backlog(store, self._may_go, listener.missing, reports.spill)
        self.channels = Channels(
            info,
            listener,
            generation=generation,
            max_sessions=max_sessions,
            max_size=max_size,
            signed=self.signer.signs,
            backlog=self.backlog,
            room=room,
        )
        self.conversation = Conversation(self.channels, self.signer, name)
        for session_id in sessions:
            self.channels.open_session(session_id)

    def close(self, linger_ms: int = 0) -> None:
        """Close every socket. Blocks up to ``linger_ms`` for messages that have not left yet.

        Output that is still in the backlog is reported as missing; replies that waited behind it
        are carried.
        """
        self.conversation.close()
        self.channels.close(linger_ms)
        lost = self.backlog.clear()
        if lost.messages:
            self._listener.missing(*lost)
        while self.backlog:
            self.backlog.pop()

    def _may_go(self, parts: Parts) -> bool:
        try:
            return self._listener.may_go(parts, self.signer)
        except KernelMessageError:
            return False  # the listener drops the message, and counts it, when it is carried

"""The kernel there is now: its sockets, signatures, backlog and conversation, replaced as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from w2z.errors import KernelMessageError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.sockets.backlog import Backlog, Parts
from w2z.kernel.sockets.channels import Channels, ChannelsListener
from w2z.reports import Reports
from w2z.store.store import Store
from w2z.wire.signature import Signer


class LinkListener(ChannelsListener, Protocol):
    """What hears from the kernel at the other end of a link."""

    def may_go(self, parts: Parts, signer: Signer) -> bool:
        """Whether clients can do without the message; raises
        :class:`~w2z.errors.KernelMessageError` for one that cannot be read.
        """

    def missing(self, messages: int, size: int) -> None:
        """So many messages and bytes of output had no room, or did not get through in time."""


class Link:
    """A connection to the kernel at ``info``, for the sessions that there are."""

    def __init__(
        self,
        info: ConnectionInfo,
        listener: LinkListener,
        *,
        generation: int,
        name: str,
        sessions: Iterable[str],
        max_sessions: int,
        store: Store | None,
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
            signed=self.signer.signs,
            backlog=self.backlog,
        )
        self.conversation = Conversation(self.channels, self.signer, name)
        for session_id in sessions:
            self.channels.open_session(session_id)

    def close(self, linger_ms: int = 0) -> None:
        """Close every socket. What was sent last has ``linger_ms`` to leave, which blocks; output
        that was received and not yet carried is told as missing.
        """
        self.conversation.close()
        self.channels.close(linger_ms)
        lost = self.backlog.clear()
        if lost.messages:
            self._listener.missing(*lost)

    def _may_go(self, parts: Parts) -> bool:
        try:
            return self._listener.may_go(parts, self.signer)
        except KernelMessageError:
            return False  # it is dropped, and counted, when it is looked at

"""One websocket of a session, from the attempt to connect to its end.

It hands what comes to the session's link and listener, and writes what the link has to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from w2z.client.link import Link
from w2z.client.remote import Remote
from w2z.client.watch import Overdue, Watch
from w2z.client.websocket import Websocket
from w2z.errors import NotW2z
from w2z.message import Message
from w2z.wire import v1

ASK_PAUSE = 0.02
"""Seconds from one question to the next about what w2z has, while requests are being sent."""

_CODEC = v1.V1Codec()


@dataclass(frozen=True)
class Opening:
    """An open websocket, as w2z describes it in its answer to the upgrade.

    ``is_new``: w2z knows nothing of the session. ``kernel_start`` counts the kernels that there
    were; ``kernel_id`` is that of the URL, if it names one.
    """

    is_new: bool
    kernel_start: int | None
    kernel_id: str | None


class Listener(Protocol):
    """The object that uses a connection. It is called on the event loop, never concurrently; what
    it raises ends the connection.
    """

    def opened(self, opening: Opening) -> None:
        """Called each time when the websocket is open."""

    def received(self, messages: Sequence[Message]) -> None:
        """Called with one batch of messages of all channels, in order; none of them came before.
        Among them are answers to requests that are lost.
        """

    def cut(self, reason: str) -> None:
        """Called when the connection is lost, or could not be opened, and is tried again."""

    def writable(self) -> None:
        """Called when :meth:`~w2z.client.connection.Connection.send` takes more again."""


class Attempt:
    """The user of one websocket. ``wrote`` is called when there may be room in the link again."""

    def __init__(
        self,
        remote: Remote,
        session_id: str,
        link: Link,
        listener: Listener,
        *,
        token: str | None,
        wrote: Callable[[], None],
    ) -> None:
        self._remote = remote
        self._link = link
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._watch = Watch(self._loop.time())
        self._timer: asyncio.TimerHandle | None = None
        self._asked_at = 0.0
        self._wrote = wrote
        self._is_held = False
        target = remote.websocket_target(session_id, link.received)
        self.websocket = Websocket(remote, token, target, self)
        self.settled = asyncio.Event()
        """Set when the websocket is open, or has failed."""
        self.over = asyncio.Event()
        """Set when the websocket is no more."""
        self.is_open = False
        self.was_open = False
        self.has_heard = False
        """Whether w2z has sent something."""
        self.failure: Exception | None = None
        """What was raised, or why it could not be opened; ``None`` after a close frame."""

    def hold(self, *, is_held: bool) -> None:
        """Stop reading, or go on."""
        self._is_held = is_held
        if self.is_open:
            self.websocket.hold(is_held=is_held)

    # WebsocketUser

    def opened(self, headers: Mapping[str, str], subprotocol: str | None) -> None:
        """Tell the link and the listener, and begin to write."""
        session, begun = headers.get("W2Z-Session"), headers.get("W2Z-Session-Start")
        start = headers.get("W2Z-Kernel-Start", "")
        if session not in ("new", "resumed") or subprotocol != v1.SUBPROTOCOL:
            raise NotW2z(
                f"what answers at {self._remote.url} is a websocket, but not w2z's: check the URL"
            )
        is_new = session == "new" or not self._link.knows(begun)
        kernel_start = int(start) if start.isdecimal() else None
        self.is_open = self.was_open = True
        self.settled.set()
        answers = self._link.opened(is_new=is_new, session_start=begun, kernel_start=kernel_start)
        self._listener.opened(Opening(is_new, kernel_start, self._remote.kernel_id))
        if answers:
            self._listener.received(answers)
        self.fill()
        self.hold(is_held=self._is_held)
        self._look()

    def received(self, payloads: Sequence[bytes]) -> None:
        """Hand on what did not come before."""
        self.has_heard = True
        messages = self._link.hear([v1.read(payload) for payload in payloads])
        if messages:
            self._listener.received(messages)

    def pinged(self, data: bytes) -> None:
        """Take note of the position; the pong follows."""
        self.has_heard = True
        self._link.ping(data)

    def ponged(self, data: bytes) -> None:
        """Take note of what w2z has."""
        self._link.pong(data)
        self.fill()

    def heard(self) -> None:
        """Take note of a sign of life."""
        self._watch.heard(self._loop.time())

    def writable(self) -> None:
        """Write more."""
        self.fill()

    def lost(self, failure: Exception | None) -> None:
        """Take note of the end."""
        self.failure = failure
        if self._timer is not None:
            self._timer.cancel()
        was_open, self.is_open = self.is_open, False
        if was_open:
            code, reason = self.websocket.close_code, self.websocket.close_reason
            answers = self._link.closed(code, reason)
            if answers:
                self._listener.received(answers)
        self.settled.set()
        self.over.set()

    # Writing.

    def fill(self) -> None:
        """Write what waits, as far as the transport takes it, and ask w2z what it has."""
        if not self.is_open:
            return
        websocket, link = self.websocket, self._link
        while websocket.is_writable:
            message = link.next_to_write()
            if message is None:
                break
            websocket.send(b"".join(_CODEC.encode(message).chunks))
            websocket.flush()
        self._ask()
        websocket.flush()
        self._wrote()

    def _ask(self) -> None:
        now = self._loop.time()
        if not (self._link.owes_ping and self.websocket.is_writable):
            return
        if now >= self._asked_at + ASK_PAUSE:
            self._asked_at = now
            self.websocket.ping(self._link.asked())
            self._watch.asked(now)
        self._look()

    def _look(self) -> None:
        """Set the timer to the next deadline."""
        if self._timer is not None:
            self._timer.cancel()
        at = self._watch.next_deadline()
        if self._link.owes_ping and self.websocket.is_writable:
            at = min(at, self._asked_at + ASK_PAUSE)
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._is_held:
            self._watch.heard(now)
        due = self._watch.poll(now)
        if due is Overdue.DEAD:
            self.websocket.abort()
            return
        if due is Overdue.PING:
            self.websocket.ping(b"")
            self._watch.asked(now)
        self._ask()
        self.websocket.flush()
        self._look()

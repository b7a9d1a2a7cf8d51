"""Sorts what a kernel sends by who waits for it, and lets w2z keep what nobody takes yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from w2z.client.attempt import Opening
from w2z.client.connection import Connection
from w2z.errors import KernelGone
from w2z.message import Message, size_of
from w2z.wire.heads import HeadReader, execution_state
from w2z.wire.json import parse_object

MOST_UNTAKEN = 8 * 2**20
"""Bytes of messages that wait to be taken; then nothing more is read, and w2z keeps the rest."""

MESSAGES_A_TURN = 64
"""Messages after which others have their turn on the event loop."""


class Inbox:
    """The messages for one request, or for whoever wants all."""

    def __init__(self, inboxes: Inboxes, *, is_for_one: bool) -> None:
        self._inboxes = inboxes
        self._is_for_one = is_for_one
        self._messages: deque[Message] = deque()
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._taken = 0

    async def take(self) -> Message:
        """Wait for the next message.

        Raises, behind the last message, what ended the session, or for a request that the kernel is
        dead; at once what :meth:`fail` was given.
        """
        while self._failure is not None or not self._messages:
            failure, self._failure = self._failure or self._inboxes.failure, None
            if failure is None and self._is_for_one:
                failure = self._inboxes.death
            if failure is not None:
                raise failure
            self._news.clear()
            await self._news.wait()
        self._taken += 1
        if self._taken % MESSAGES_A_TURN == 0:
            # Others have their turn, too, while there is always something to take.
            await asyncio.sleep(0)
        message = self._messages.popleft()
        self._inboxes.took(message)
        return message

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self._news.set()

    def fail(self, failure: Exception) -> None:
        """Let :meth:`take` raise this, once."""
        self._failure = failure
        self._news.set()

    def wake(self) -> None:
        """Let who waits look again: the session has ended."""
        self._news.set()

    def drop(self) -> None:
        """Drop what waits: nobody will take it."""
        while self._messages:
            self._inboxes.took(self._messages.popleft())


class Inboxes:
    """The listener of a session's connection."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.failure: Exception | None = None
        """What ended the session."""
        self.death: KernelGone | None = None
        """What requests are told while the kernel is dead."""
        self.problem: str | None = "not connected yet"
        """Why there is no connection now; ``None`` while there is one."""
        self._first = asyncio.Event()
        self._room = asyncio.Event()
        self._by_request: dict[str, Inbox] = {}
        self._of_all: list[Inbox] = []
        self._heads = HeadReader()
        self._untaken = 0
        self._is_held = False

    def add(self, msg_id: str) -> Inbox:
        """Make an inbox for what has the request ``msg_id`` as its parent."""
        inbox = self._by_request[msg_id] = Inbox(self, is_for_one=True)
        return inbox

    def remove(self, msg_id: str) -> None:
        """Drop what still comes for a request."""
        self._by_request.pop(msg_id).drop()

    def add_for_all(self) -> Inbox:
        """Make an inbox for every message that comes from now on."""
        inbox = Inbox(self, is_for_one=False)
        self._of_all.append(inbox)
        return inbox

    def remove_for_all(self, inbox: Inbox) -> None:
        """Drop what still comes for this inbox."""
        self._of_all.remove(inbox)
        inbox.drop()

    async def first_opening(self) -> None:
        """Wait for the first connection. Raises what ended the session before."""
        await self._first.wait()
        if self.failure is not None:
            raise self.failure

    async def send(self, message: Message) -> None:
        """Send a message, as soon as there is room for it. Raises what ended the session."""
        while True:
            failure = self.failure or self.death
            if failure is not None:
                raise failure
            self._room.clear()
            if self.connection is not None and self.connection.send(message):
                return
            await self._room.wait()

    def took(self, message: Message) -> None:
        """Take note that a message was taken."""
        self._untaken -= size_of([message])
        if self._is_held and self._untaken < MOST_UNTAKEN // 2 and self.connection is not None:
            self._is_held = False
            self.connection.go_on_reading()

    def fail(self, failure: Exception) -> None:
        """Take note of the session's end: whoever waits is told."""
        self.failure = self.failure or failure
        self._first.set()
        self._wake()

    # Listener

    def opened(self, opening: Opening) -> None:
        """Let go who waits for the first connection."""
        self.problem = None
        self._first.set()

    def received(self, messages: Sequence[Message]) -> None:
        """Sort messages."""
        for message in messages:
            inboxes = [*self._of_all]
            head = self._heads.read(message)
            mine = self._by_request.get(head.parent_id)
            if head.msg_type == "status" and not head.parent_id:
                self._live_or_die(message)
            if mine is not None:
                inboxes.append(mine)
            for inbox in inboxes:
                self._untaken += size_of([message])
                inbox.put(message)
        if self._untaken > MOST_UNTAKEN and not self._is_held and self.connection is not None:
            self._is_held = True
            self.connection.stop_reading()

    def cut(self, reason: str) -> None:
        """Take note of why there is no connection."""
        self.problem = reason

    def writable(self) -> None:
        """Let go who waits to send."""
        self._room.set()

    def _live_or_die(self, status: Message) -> None:
        """Take note of a state that w2z tells for the kernel: it may be dead, and come back."""
        self.death = None
        if execution_state(status.content) == "dead" and self.connection is not None:
            reason = parse_object(status.content, "content").get("reason") or "it has ended"
            url = self.connection.remote.url
            self.death = KernelGone(f"the kernel of w2z at {url} is dead: {reason}")
            self._wake()

    def _wake(self) -> None:
        self._room.set()
        for inbox in (*self._by_request.values(), *self._of_all):
            inbox.wake()

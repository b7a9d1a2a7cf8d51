"""A client that has nothing to do with the attack: what it runs in the kernel says numbers.

Each number has to come back once, in order, however long the kernel or w2z takes. Only after its
connection was closed may numbers come again, and only where a notice says that output of unknown
length is missing may numbers be (see docs/delivery.md).
"""

from __future__ import annotations

import asyncio
import re

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.support.client import V1, execute_request, to_v1

EVERY = 0.02
"""Seconds between two numbers: the pace of a client that works, and no wait for anything. As fast
as it can it would be an attack itself; one number at a time would not tell that some are lost.
"""

_NUMBER = re.compile(rb'"bystander (\d+)"')
_LONGEST = 5000
"""Bytes of a message that says a number, at most."""


class Bystander:
    """Talks with the kernel until it is told to finish."""

    def __init__(self, url: str) -> None:
        self.seen = 0
        """How many numbers came back."""
        self.gaps = 0
        """How many notices say that output is missing."""
        self.missing = 0
        """How many numbers were missing behind such a notice, of unknown length."""
        self._may_be_missing = False
        self.faults: list[str] = []
        self.closings: list[str] = []
        """With which code and reason each connection was closed."""
        self._url = url
        self._said: list[bytes] = []
        self._is_finishing = False
        self._news = asyncio.Condition()
        self._comes_back = asyncio.Event()

    async def run(self) -> None:
        """Say numbers and hear them, also over another connection, until cancelled."""
        while True:
            try:
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol(V1)],
                    compression=None,
                    max_size=None,
                    ping_interval=None,
                ) as websocket:
                    await self._talk(websocket)
            except ConnectionClosed as closed:
                close = closed.rcvd
                self.closings.append(f"{close.code} {close.reason}" if close else "cut")
                async with self._news:
                    self._news.notify_all()
            except (InvalidHandshake, OSError):
                await self._comes_back.wait()
                self._comes_back.clear()

    async def is_closed(self) -> None:
        """Wait until its connection has been closed."""
        async with self._news:
            await self._news.wait_for(lambda: self.closings)

    def may_come_back(self) -> None:
        """Let it try again where it was refused."""
        self._comes_back.set()

    async def through(self) -> None:
        """Wait until what is said from now on has come back."""
        aim = len(self._said) + 1
        async with self._news:
            await self._news.wait_for(lambda: self.seen >= aim)

    async def finish(self) -> None:
        """Say no more, and wait until every number has come back."""
        self._is_finishing = True
        async with self._news:
            await self._news.wait_for(lambda: self.seen == len(self._said))

    async def _talk(self, websocket: ClientConnection) -> None:
        # What a connection before may have lost is sent again, the same bytes, in order.
        for payload in self._said[self.seen :]:
            await websocket.send(payload)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._say(websocket))
                tasks.create_task(self._hear(websocket))
        except* ConnectionClosed as group:
            raise group.exceptions[0] from None

    async def _say(self, websocket: ClientConnection) -> None:
        while not self._is_finishing:
            payload = to_v1(execute_request(f"say('bystander {len(self._said)}')"))
            self._said.append(payload)
            await websocket.send(payload)
            await asyncio.sleep(EVERY)

    async def _hear(self, websocket: ClientConnection) -> None:
        while True:
            payload = await websocket.recv(decode=False)
            if len(payload) > _LONGEST:
                continue
            if b'"w2z_gap"' in payload:
                self.gaps += 1
                self._may_be_missing |= b"an unknown number of messages" in payload
            if found := _NUMBER.search(payload):
                await self._take(int(found[1]))

    async def _take(self, number: int) -> None:
        if number < self.seen and self.closings:
            return
        if number > self.seen and self._may_be_missing:
            self.missing += number - self.seen
            self._may_be_missing = False
        elif number != self.seen:
            self.faults.append(f"number {number} came where {self.seen} was due")
        async with self._news:
            self.seen = max(self.seen, number + 1)
            self._news.notify_all()

"""A client that resumes its session whenever its connection ends, and records its messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from tests.support.client import V1, Received, from_v1, to_v1
from w2z.server.acknowledgement import MOST_QUESTIONS


@dataclass
class Run:
    """One connection: the msg_ids that it received, and how many of them before each ping."""

    ids: list[str] = field(default_factory=list)
    arrived: int = 0
    pings: list[int] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """The least that w2z knows to have arrived: no more than so many pings are unanswered."""
        return self.pings[-1 - MOST_QUESTIONS] if len(self.pings) > MOST_QUESTIONS else 0


class _Watched(ClientConnection):
    """A connection that counts frames as they arrive, which is also when pings are answered."""

    run: Run

    def process_event(self, event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.run.pings.append(self.run.arrived)
        elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
            self.run.arrived += 1
        super().process_event(event)


class Returning:
    """A client that connects to ``url``, which names a session, again and again.

    A message whose msg_id was received before is noted in ``runs``, but not given again. Without
    ``records`` it is given again, and nothing is noted.
    """

    def __init__(self, url: str, *, records: bool = True, **options: Any) -> None:
        self.url = url
        self._records = records
        self.runs: list[Run] = []
        self.websocket: ClientConnection | None = None
        self._options = {"max_size": None, "compression": None, "ping_interval": None, **options}
        self._known: set[str] = set()
        self._wanted: list[bytes] = []

    async def send(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send the message over the present connection, or else over the next one."""
        payload = to_v1(message)
        if self.websocket is None:
            self._wanted.append(payload)
        else:
            await self.websocket.send(payload)
        sent: dict[str, Any] = message["header"]
        return sent

    async def messages(self) -> AsyncGenerator[Received, None]:
        """Yield every message, without end."""
        while True:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError):
                async with self._connected() as (websocket, run):
                    for payload in self._wanted:
                        await websocket.send(payload)
                    self._wanted.clear()
                    # Messages that arrived before the connection ended are given before that error.
                    while True:
                        payload_in = await websocket.recv()
                        assert isinstance(payload_in, bytes)
                        message = from_v1(payload_in)
                        if not self._records or self._is_new(message, run):
                            yield message

    async def until(self, condition: Callable[[Received], bool]) -> list[Received]:
        """Return every message up to the first for which the condition holds."""
        found = []
        async with aclosing(self.messages()) as messages:
            async for message in messages:
                found.append(message)
                if condition(message):
                    break
        return found

    def _is_new(self, message: Received, run: Run) -> bool:
        id_ = message.header["msg_id"]
        run.ids.append(id_)
        is_new = id_ not in self._known
        self._known.add(id_)
        return is_new

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[ClientConnection, Run]]:
        run = Run()

        class Connection(_Watched):
            pass

        Connection.run = run
        async with connect(
            self.url, subprotocols=[Subprotocol(V1)], create_connection=Connection, **self._options
        ) as websocket:
            if self._records:
                self.runs.append(run)
            self.websocket = websocket
            try:
                yield websocket, run
            finally:
                self.websocket = None


def check_repeats(runs: list[Run]) -> int:
    """Check the repeats of a session's connections; return how many messages came again.

    All connections have to agree on one order of messages. Each connection has to begin at a
    message that the one before did not acknowledge, and to bring everything from there on.
    """
    places: dict[str, int] = {}
    repeats = begin = acknowledged = 0
    for run in runs:
        if not run.ids:
            continue
        start = places.get(run.ids[0], len(places))
        assert start >= begin + acknowledged, "what had been acknowledged came again"
        for place, id_ in enumerate(run.ids, start):
            repeats += id_ in places
            assert places.setdefault(id_, len(places)) == place, "out of order"
        begin, acknowledged = start, run.acknowledged
    return repeats

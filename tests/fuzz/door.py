"""The front door: the bytes of one client, from the first to the last.

The whole server is there but its socket (:mod:`~tests.fuzz.world`), and a peer that sends whatever
it likes in whatever pieces. Then it closes, is cut off, or says nothing more, or w2z ends. For all
of it:

- No error leaves the connection; nothing is logged as a defect, or as an error of any kind.
- What the peer gets is HTTP, and behind an upgrade frames that the client of ``websockets`` takes.
- The token is in no answer and in no line of the log. A peer may have its own text back, where it
  put the token into the wrong place.
- As long as the peer is there, the connection is read from, or ends, within :data:`PATIENCE`
  seconds; once the peer is silent or gone, it ends.
- What is held for the peer is never more than its limits, and nothing when the connection is
  closed.

Two listeners: one with a token, and one where everybody may enter, through a proxy, with small
limits, and where peers read slowly.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from unittest.mock import patch

from tests.fuzz.answers import Answer, read_answers
from tests.fuzz.clock import HurriedLoop
from tests.fuzz.log import Log
from tests.fuzz.mutate import Input, Mutator
from tests.fuzz.requests import stream
from tests.fuzz.transport import FakeTransport
from tests.fuzz.world import TOKEN, World
from w2z.server.connections import Connection
from w2z.server.http_connection import HttpConnection
from w2z.server.rest import api, metrics
from w2z.server.websocket import Websocket

PATIENCE = 90.0
"""Seconds that w2z may read nothing from a peer: nobody waits for anything longer here."""

SILENCE = 300.0
"""Seconds within which the connection of a silent peer ends: pings, their timeout, keep-alive."""

OF_ONE_WORLD = 100
"""Inputs, one after the other, that the same w2z gets."""

_OWN_PLACES = re.compile(
    rb"token=%b|(?i:bearer|token) %b|v1\.token\.websocket\.jupyter\.org(?:\.|, ?)%b"
    % ((re.escape(TOKEN).encode(),) * 3)
)
_TOKEN = TOKEN.encode()
_OPEN: dict[str, Any] = {
    "no_auth": True,
    "allow_host": ("*",),
    "allow_origin": ("https://a.example",),
    "trust_proxy": ("192.0.2.0/24",),
    "max_header_size": 2048,
    "max_body_size": 1024,
    "max_message_size": 2048,
    "memory_budget": 2**20,
    "max_connections": 3,
    "on_delete": "restart",
    "resume_window": 1,
}


class DoorFuzzer:
    """The listener with a token."""

    name = "door"
    share = 0.05
    is_slow = False
    settings: dict[str, Any]

    def __init__(self) -> None:
        self.settings = {"token": TOKEN, "on_delete": "stop"}
        self._loop = HurriedLoop()
        self._loop.set_exception_handler(self._on_error)
        self._errors: list[str] = []
        self._log = Log()
        self._log.start()
        # The first load takes long, so w2z has it done in a thread, which this loop waits for not.
        metrics.load()
        self._patch = patch.object(api, "in_thread", _at_once)
        self._patch.start()
        self.renew()

    def renew(self) -> None:
        """Make another w2z."""
        self._inputs = 0
        self._errors.clear()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._world = self._loop.run_until_complete(self._make())

    async def _make(self) -> World:
        return World(self.settings)

    def make(self, mutator: Mutator) -> Input:
        return mutator.cut(stream(mutator))

    def check(self, given: Input) -> str:
        self._inputs += 1
        if self._inputs > OF_ONE_WORLD or not self._world.takes_requests:
            self.renew()
        self._log.clear()
        transport = self._loop.run_until_complete(self._play(given))
        world, sent = self._world, b"".join(given)
        assert not self._errors, self._errors
        assert world.bridge.reports.defects == 0, self._log.lines
        assert not self._log.errors, self._log.errors
        world.nothing_is_left()
        answers, frames = read_answers(bytes(transport.written), is_head=b"HEAD " in sent)
        if _TOKEN not in _OWN_PLACES.sub(b"", sent):
            assert not any(map(_shows_token, answers))
            assert not any(TOKEN in line for line in self._log.lines)
        return f"{answers[-1].status if answers else 'none'}{' and frames' if frames else ''}"

    async def _play(self, given: Input) -> FakeTransport:
        connection = self._world.connection()
        transport = FakeTransport(self._loop, connection, is_slow=self.is_slow)
        connection.connection_made(transport)
        held = 0
        for piece in given:
            if not await _reads(transport):
                break
            connection.data_received(piece)
            held = max(held, self._held(connection))
            await asyncio.sleep(0)
        settings = self._world.settings
        longest = max(map(len, given), default=0)
        own = max(settings.max_header_size + settings.max_body_size, settings.max_message_size)
        assert held <= own + longest, f"{held} bytes are held"
        await self._end(sum(map(len, given)) % 4, connection, transport)
        return transport

    def _held(self, connection: Connection) -> int:
        """Return the bytes that are held for the peer, all of which have to be counted."""
        stage = connection._stage
        if isinstance(stage, HttpConnection):
            held = stage._exchange.held
            assert held <= self._world.door.allowance.held, f"{held} bytes are not counted"
            return held
        if isinstance(stage, Websocket):
            counted, frames = self._world.bridge.holdings.begun, stage._frames
            is_counted = frames.unfinished <= counted or not frames.is_open
            assert is_counted, f"{frames.unfinished} bytes are not counted"
            return counted + len(frames._reader._unread)
        return 0

    async def _end(self, how: int, connection: Connection, transport: FakeTransport) -> None:
        """Let the peer close its side, be cut off, or say nothing more; or let w2z end."""
        if await _reads(transport):
            if how == 0:
                if not connection.eof_received():
                    transport.close()
            elif how == 1:
                transport.abort()
            elif how == 2:
                self._world.connections.closing = True
                connection.shutdown()
        assert await _within(SILENCE, lambda: transport.is_lost), "the connection does not end"
        # What was begun for it goes on alone.
        assert await _within(PATIENCE, lambda: not self._world.tasks.running)
        self._world.connections.closing = False
        await asyncio.sleep(1)

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._errors.append(f"{context['message']}: {context.get('exception')!r}")

    def close(self) -> None:
        """Put everything back."""
        self._patch.stop()
        self._log.stop()
        self._loop.run_until_complete(asyncio.sleep(SILENCE))
        self._loop.close()


class OpenDoorFuzzer(DoorFuzzer):
    """The listener without a token, with a proxy and small limits."""

    name = "open-door"
    is_slow = True

    def __init__(self) -> None:
        super().__init__()
        self.settings = _OPEN
        self.renew()


async def _at_once(work: Any) -> Any:
    return work()


async def _reads(transport: FakeTransport) -> bool:
    """Wait until the connection is read from, or closes; return whether it is read from."""

    def goes_on() -> bool:
        return transport.is_closing() or not transport.is_paused

    assert await _within(PATIENCE, goes_on), "nothing is read from the connection any more"
    return not transport.is_closing()


async def _within(seconds: float, condition: Any) -> bool:
    """Wait until that is so; return whether it is, after so many seconds at most."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    pause = 0.0
    while not condition():
        if loop.time() > until:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0) or 0.002
    return True


def _shows_token(answer: Answer) -> bool:
    shown = {name: value for name, value in answer.headers.items() if name != "location"}
    return _TOKEN in answer.body or TOKEN in str(shown)
